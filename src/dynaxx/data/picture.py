"""Opens one picture safely, as RGB in [-1, 1]; whatever is wrong with it is said by name, with the way out."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from dynaxx.data.file import require_file
from dynaxx.data.pixels import rgb
from dynaxx.errors import DataError

FORMATS = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".gif": "GIF", ".bmp": "BMP", ".tif": "TIFF",
    ".tiff": "TIFF", ".ppm": "PPM", ".pgm": "PPM",
}  # fmt: skip
FOREIGN = (".heic", ".heif", ".avif", ".jp2", ".svg", ".psd", ".eps", ".ico", ".tga", ".exr", ".dng", ".cr2", ".nef")
MOST_PIXELS = 89_000_000
LEAST_SIDE = 8
ORIENTATION = 0x0112

# What files that are no pictures turn out to be, by how they begin.
IMPOSTORS = (
    (b"version https://git-lfs", "is a Git LFS pointer, not the picture itself.", "Run `git lfs pull`."),
    (b"<!doctype", "is a web page, not a picture.", "Download the picture itself."),
    (b"<html", "is a web page, not a picture.", "Download the picture itself."),
    (b"<svg", "is an SVG drawing, not a picture.", "Export it as PNG."),
    (b"<?xml", "is an XML file, not a picture.", "Export it as PNG."),
)


@final
@dataclass(frozen=True, eq=False)
class Picture:
    """`x (3, H, W)` float32 in [-1, 1], and what was noticed on the way."""

    x: Tensor
    notices: tuple[str, ...] = ()


def read_picture(path: Path, *, background: str = "#ffffff") -> Picture:
    """The picture at `path`: turned as its EXIF orientation says, its first frame, on `background` where transparent.

    DataError names the file, what is wrong with it and the way out; no other error leaves this function.
    """
    where = str(path)
    require_file(path)
    if path.suffix.lower() in FOREIGN:
        raise DataError(where, f"is of a kind ({path.suffix.lower()}) that is not read.", "Convert it to PNG or JPEG.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return _read(path, background)
    except DataError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise _huge(where) from error
    except UnidentifiedImageError as error:
        raise _no_picture(path) from error
    except MemoryError as error:
        raise DataError(where, "is too large for this machine's memory.", "Make it smaller.") from error
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error and more
        raise _damaged(where, error) from error


def _read(path: Path, background: str) -> Picture:
    where = str(path)
    with Image.open(path, formats=sorted(set(FORMATS.values()))) as image:
        if image.width * image.height > MOST_PIXELS:
            raise _huge(where)
        if min(image.size) < LEAST_SIDE:
            raise DataError(
                where,
                f"is only {image.width}x{image.height} pixels.",
                f"Use pictures of at least {LEAST_SIDE} pixels a side.",
            )
        notices = tuple(_notices(image, path))
        image.load()
        values = rgb(ImageOps.exif_transpose(image), background=background, where=where)
    x = torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))
    return Picture(x.mul_(2).sub_(1), notices)


def _notices(image: Image.Image, path: Path) -> list[str]:
    found = []
    kind = "JPEG" if image.format == "MPO" else image.format  # a phone's JPEG with a second picture inside
    if kind != FORMATS.get(path.suffix.lower()):
        found.append(f"is a {kind} file by its content, whatever its name says; read as such.")
    if image.format != "MPO" and getattr(image, "is_animated", False):
        found.append("holds several frames; the first is used.")
    if image.getexif().get(ORIENTATION, 1) != 1:
        found.append("is turned as its EXIF orientation says.")
    if image.mode == "CMYK":
        found.append("is in CMYK; converted to RGB without a colour profile.")
    return found


def _huge(where: str) -> DataError:
    return DataError(where, f"has more than {MOST_PIXELS // 10**6} million pixels.", "Make it smaller first.")


def _no_picture(path: Path) -> DataError:
    with path.open("rb") as file:
        begin = file.read(64).lstrip().lower()
    for signature, problem, fix in IMPOSTORS:
        if begin.startswith(signature):
            return DataError(str(path), problem, fix)
    fix = "Convert it to PNG or JPEG, or remove it."
    return DataError(str(path), "is not a picture of a known kind, whatever its name says.", fix)


def _damaged(where: str, error: Exception) -> DataError:
    text = str(error) or type(error).__name__
    if "truncated" in text.lower():
        return DataError(where, "ends too early: it was not copied or downloaded whole.", "Copy or download it again.")
    return DataError(where, f"is damaged ({text}).", "Copy or download it again, or remove it.")
