"""Numbers as readers see them, and signals as pictures."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from dynaxx.share.embed import LARGEST_SIDE, embed
from dynaxx.share.numbers import count, figure, interval, measure, p_value
from dynaxx.share.png import encode_png
from dynaxx.share.show import show


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (0.0, "0"),
        (0.06104, "0.061"),
        (-0.25, "\u22120.25"),
        (12345.0, "12\u202f300"),
        (1.0, "1"),
        (0.00042, "0.00042"),
        (3.21e-6, "3.21 \u00d7 10\u207b\u2076"),
        (100.0, "100"),
        (-2e9, "\u22122 \u00d7 10\u2079"),
        (None, "not measured"),
        (float("nan"), "not measured"),
    ],
)
def test_figures(x: float | None, said: str) -> None:
    assert figure(x) == said


def of(value: float | None, low: float | None, high: float | None) -> dict[str, float | None]:
    return {"value": value, "low": low, "high": high}


def test_measures_and_intervals() -> None:
    assert measure(of(0.5, 0.4, 0.6), "dB") == "0.5\u00a0dB"
    assert measure(None) == "not measured"
    assert interval(of(0.5, 0.4, 0.6), "dB") == "0.4 to 0.6\u00a0dB"
    assert interval(of(0.5, None, 0.6)) == "at most 0.6"
    assert interval(of(0.5, 0.4, None)) == "at least 0.4"
    assert interval(of(0.5, None, None)) == "unbounded"
    assert interval(of(None, None, None)) == ""
    assert measure(of(-4.9, -12, 2), "%") == "\u22125%"
    assert interval(of(-4.9, -12.2, 2.4), "%") == "\u221212 to 2%"
    assert [p_value(p) for p in (None, 0.0004, 0.0123, 0.31)] == ["", "< 0.001", "0.012", "0.31"]
    assert count(1234567) == "1\u202f234\u202f567"


def test_small_pictures_are_kept_to_the_bit_and_heavy_ones_made_lighter() -> None:
    small = encode_png(np.full((16, 12, 3), 99, dtype=np.uint8))
    assert embed(small).size == (16, 12)
    assert embed(small).pixelated
    heavy = encode_png(np.random.default_rng(0).integers(0, 255, (500, 900, 3)).astype(np.uint8))
    lighter = embed(heavy)
    assert lighter.uri.startswith("data:image/jpeg")
    assert lighter.size == (500, 900)
    import base64

    with Image.open(io.BytesIO(base64.b64decode(lighter.uri.partition(",")[2]))) as image:
        assert max(image.size) == LARGEST_SIDE


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((3, 8, 6), (8, 6)),
        ((1, 8, 6), (8, 6)),
        ((4, 8, 6), (8, 6)),
        ((7, 8, 6), (8, 6)),
        ((3, 9, 8, 6), (8, 24)),
        ((3, 2, 8, 6), (8, 12)),
        ((2, 500), (64, 256)),
        ((1, 3), (64, 256)),
    ],
)
def test_every_signal_is_a_picture(shape: tuple[int, ...], size: tuple[int, int]) -> None:
    pixels = show(torch.rand(shape) * 2 - 1)
    assert pixels.shape == (*size, 3)
    assert pixels.dtype == np.uint8
    assert pixels.std() > 0


def test_a_wave_runs_where_its_values_are() -> None:
    pixels = show(torch.linspace(-1, 1, 256)[None])
    dark = [int(np.argmin(pixels[:, column, 0])) for column in (0, 128, 255)]
    assert dark[0] > 60
    assert 28 < dark[1] < 36
    assert dark[2] < 3
