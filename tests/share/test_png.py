"""Signals as PNG: exact at the ends, clipped beyond, and telling how they were made."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from dynaxx.share.png import encode_png, is_picture, to_pixels


def test_ends_and_clipping() -> None:
    x = torch.tensor([-2.0, -1.0, 0.0, 1.0, 3.0]).view(1, 1, 5)
    assert to_pixels(x).ravel().tolist() == [0, 0, 128, 255, 255]


def test_every_pixel_value_comes_back() -> None:
    values = torch.arange(256.0).view(1, 16, 16)
    assert torch.equal(torch.from_numpy(to_pixels(values / 127.5 - 1)).permute(2, 0, 1).float(), values)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_round_trip_with_facts(channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, channels), dtype=np.uint8)
    facts = {"dynaxx:seed": "7", "dynaxx:prompt": "größer 赤い"}
    with Image.open(io.BytesIO(encode_png(pixels, facts))) as image:
        assert image.text == facts
        np.testing.assert_array_equal(np.asarray(image).reshape(pixels.shape), pixels)


@pytest.mark.parametrize(
    ("shape", "shown"), [((3, 8, 8), True), ((1, 4, 9), True), ((2, 8, 8), False), ((3, 64), False)]
)
def test_what_is_a_picture(shape: tuple[int, ...], shown: bool) -> None:
    assert is_picture(torch.zeros(shape)) is shown


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_latents_are_no_pictures(channels: int) -> None:
    assert is_picture(torch.zeros(channels, 8, 8), space="pixels")
    assert not is_picture(torch.zeros(channels, 8, 8), space="vae")
