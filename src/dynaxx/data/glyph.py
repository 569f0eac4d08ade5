"""Draws one emoji from a colour-emoji font with Pillow."""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFont, features

from dynaxx.errors import DataError

# Fonts that hold pictures come in fixed sizes only: Noto 109, Apple 160, 96 and 64. Outlines are drawn at the first.
STRIKES = (128, 109, 160, 137, 96, 64)
NAMES = ("NotoColorEmoji", "Apple Color Emoji", "seguiemj", "TwitterColorEmoji", "TwemojiMozilla", "JoyPixels")
FOLDERS = {
    "darwin": ("/System/Library/Fonts", "/Library/Fonts", "~/Library/Fonts"),
    "win32": ("C:/Windows/Fonts", "~/AppData/Local/Microsoft/Windows/Fonts"),
    "linux": ("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts"),
}
INSTALL = "Install one (Debian, Ubuntu: fonts-noto-color-emoji), or give its path as `font:`."
APPLE = "\U0001f34e"
UNASSIGNED = "\U0010fffe"


def find_font(path: str | None = None, folders: tuple[str, ...] | None = None) -> Path:
    """The font at `path`, or else the first known colour-emoji font in the folders where fonts usually lie."""
    if path is not None:
        if not Path(path).is_file():
            raise DataError(path, "there is no font here.", INSTALL)
        return Path(path)
    places = FOLDERS.get(sys.platform, FOLDERS["linux"]) if folders is None else folders
    files = sorted(file for place in places for file in Path(place).expanduser().rglob("*.tt[fc]"))
    for name in NAMES:
        for file in files:
            if file.stem.lower().startswith(name.lower()):
                return file
    raise DataError("font", f"no colour-emoji font was found in {', '.join(places)}.", INSTALL)


def open_font(path: Path) -> ImageFont.FreeTypeFont:
    """The font at the largest size it can be drawn at, refused where it draws no colour."""
    font = _at_any_size(path)
    image = _canvas(font, APPLE)
    red, _, blue = (image or Image.new("RGB", (1, 1))).convert("RGB").split()
    if not ImageChops.difference(red, blue).getbbox():
        raise DataError(str(path), "this font holds no colour pictures that Pillow can draw.", INSTALL)
    return font


def has_sequences() -> bool:
    """Whether emoji made of several characters can be drawn: Pillow then has the Raqm layout."""
    return bool(features.check("raqm"))


def has(font: ImageFont.FreeTypeFont, char: str) -> bool:
    """Whether the font draws this emoji, and as one picture.

    A sequence that a font does not know comes out as several pictures side by side; an unknown character as nothing,
    or as the box that stands for all of them.
    """
    if font.getlength(char) > 1.5 * font.getlength(APPLE) or _is_empty(font, char):
        return False
    return _is_empty(font, UNASSIGNED) or bytes(font.getmask(char)) != bytes(font.getmask(UNASSIGNED))


def _is_empty(font: ImageFont.FreeTypeFont, char: str) -> bool:
    left, top, right, bottom = font.getbbox(char)
    return right <= left or bottom <= top


def draw(
    font: ImageFont.FreeTypeFont, char: str, size: int, *, margin: int = 0, background: str = "#ffffff"
) -> Image.Image | None:
    """An emoji as a `size` x `size` RGB picture, scaled to fit and centred; None where the font lacks it."""
    glyph = _canvas(font, char) if has(font, char) else None
    if glyph is None:
        return None
    fit = (size - 2 * margin) / max(glyph.size)
    # premultiplied alpha, so that no fringe of the transparent part's colour appears
    small = (
        glyph.convert("RGBa")
        .resize((max(round(glyph.width * fit), 1), max(round(glyph.height * fit), 1)), Image.Resampling.LANCZOS)
        .convert("RGBA")
    )
    tile = Image.new("RGBA", (size, size), background)
    tile.alpha_composite(small, ((size - small.width) // 2, (size - small.height) // 2))
    return tile.convert("RGB")


def _at_any_size(path: Path) -> ImageFont.FreeTypeFont:
    data = path.read_bytes()  # given a path, Pillow would look elsewhere for a font of that name
    for size in STRIKES:
        try:
            return ImageFont.truetype(BytesIO(data), size)
        except OSError as error:
            problem = str(error)
    raise DataError(str(path), f"cannot be read as a font ({problem}).", INSTALL)


def _canvas(font: ImageFont.FreeTypeFont, char: str) -> Image.Image | None:
    """The glyph in RGBA, cut to its own box, which is the same for every glyph of a font that holds pictures."""
    left, top, right, bottom = (round(edge) for edge in font.getbbox(char))
    if right <= left or bottom <= top:
        return None
    image = Image.new("RGBA", (right - left, bottom - top), (0, 0, 0, 0))
    ImageDraw.Draw(image).text((-left, -top), char, font=font, embedded_color=True)
    return image if image.getchannel("A").getbbox() else None
