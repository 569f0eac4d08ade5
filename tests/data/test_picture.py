"""Odd but usable pictures come out right, with a notice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from dynaxx.data.picture import read_picture


def halves(mode: str = "RGB") -> Image.Image:
    """Red on the left, blue on the right, 16 high and 24 wide."""
    image = Image.new("RGB", (24, 16), "#ff0000")
    image.paste("#0000ff", (12, 0, 24, 16))
    return image.convert(mode)


def colour(x: Tensor, row: int, column: int) -> list[float]:
    return ((x[:, row, column] + 1) / 2).tolist()


def test_plain(tmp_path: Path) -> None:
    halves().save(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png")
    assert picture.x.shape == (3, 16, 24)
    assert picture.x.dtype == torch.float32
    assert picture.x.is_contiguous()
    assert picture.notices == ()
    assert colour(picture.x, 0, 0) == [1, 0, 0]
    assert colour(picture.x, 15, 23) == [0, 0, 1]


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".pgm"])
def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path, suffix: str) -> None:
    values = np.linspace(0, 65535, 16 * 16).astype(np.uint16).reshape(16, 16)
    Image.fromarray(values).save(tmp_path / f"a{suffix}")
    x = read_picture(tmp_path / f"a{suffix}").x
    torch.testing.assert_close(x, torch.from_numpy(values.astype(np.float32) / 65535 * 2 - 1).expand(3, 16, 16))


@pytest.mark.parametrize(
    ("mode", "name"),
    [
        ("CMYK", "a.jpg"),
        ("CMYK", "a.tiff"),
        ("YCbCr", "a.jpg"),
        ("P", "a.png"),
        ("RGB", "a.webp"),
        ("RGB", "a.bmp"),
        ("P", "a.gif"),
    ],
)
def test_other_modes_keep_their_colours(tmp_path: Path, mode: str, name: str) -> None:
    halves(mode).save(tmp_path / name)
    picture = read_picture(tmp_path / name)
    assert colour(picture.x, 8, 4) == pytest.approx([1, 0, 0], abs=0.05)
    assert colour(picture.x, 8, 20) == pytest.approx([0, 0, 1], abs=0.05)
    assert any("CMYK" in text for text in picture.notices) == (mode == "CMYK")


def test_grey_and_bilevel(tmp_path: Path) -> None:
    Image.new("L", (16, 16), 51).save(tmp_path / "l.png")
    Image.new("1", (16, 16), 1).save(tmp_path / "b.png")
    assert read_picture(tmp_path / "l.png").x.unique().tolist() == pytest.approx([-0.6])
    assert read_picture(tmp_path / "b.png").x.unique().tolist() == [1.0]


def test_transparency_lies_on_the_background(tmp_path: Path) -> None:
    Image.new("RGBA", (16, 16), (255, 0, 0, 51)).save(tmp_path / "a.png")  # a fifth red
    for background, expected in (("#ffffff", [1, 0.8, 0.8]), ("#000000", [0.2, 0, 0]), ("#0000ff", [0.2, 0, 0.8])):
        x = read_picture(tmp_path / "a.png", background=background).x
        assert colour(x, 0, 0) == pytest.approx(expected, abs=1 / 255)


def test_palette_with_a_transparent_colour(tmp_path: Path) -> None:
    image = halves().convert("P", palette=Image.Palette.ADAPTIVE, colors=2)
    image.save(tmp_path / "a.png", transparency=image.getpixel((0, 0)))
    x = read_picture(tmp_path / "a.png", background="#00ff00").x
    assert colour(x, 0, 0) == [0, 1, 0]
    assert colour(x, 0, 23) == pytest.approx([0, 0, 1], abs=0.02)


@pytest.mark.parametrize(("orientation", "shape", "first"), [
    (1, (16, 24), [1, 0, 0]), (3, (16, 24), [0, 0, 1]), (6, (24, 16), [1, 0, 0]), (8, (24, 16), [0, 0, 1]),
    (2, (16, 24), [0, 0, 1]),
])  # fmt: skip
def test_exif_orientation_is_obeyed(
    tmp_path: Path, orientation: int, shape: tuple[int, int], first: list[float]
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    halves().save(tmp_path / "a.png", exif=exif)
    picture = read_picture(tmp_path / "a.png")
    assert tuple(picture.x.shape[1:]) == shape
    assert colour(picture.x, 2, 2) == first
    assert bool(picture.notices) == (orientation != 1)


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.tiff"])
def test_first_of_several_frames_is_used(tmp_path: Path, name: str) -> None:
    red, blue = (Image.new("RGB", (16, 16), colour) for colour in ("#ff0000", "#0000ff"))
    red.save(tmp_path / name, save_all=True, append_images=[blue])
    picture = read_picture(tmp_path / name)
    assert colour(picture.x, 8, 8) == pytest.approx([1, 0, 0], abs=0.02)
    assert picture.notices == ("holds several frames; the first is used.",)


def test_wrongly_named_picture_is_read_for_what_it_is(tmp_path: Path) -> None:
    halves().save(tmp_path / "a.jpg", "PNG")
    picture = read_picture(tmp_path / "a.jpg")
    assert colour(picture.x, 0, 0) == [1, 0, 0]
    assert picture.notices == ("is a PNG file by its content, whatever its name says; read as such.",)
