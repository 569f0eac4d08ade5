"""Signals as PNG files that say how to make them again."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from dynaxx.spec.grid import PIXELS

if TYPE_CHECKING:
    from torch import Tensor

CHANNELS = (1, 3, 4)
"""How many channels a picture may have: grey, RGB, RGB with opacity."""


def is_picture(x: Tensor, *, space: str = PIXELS) -> bool:
    """Whether a sample `(C, *size)` can be shown as a picture; latents cannot, however many channels they have."""
    return space == PIXELS and x.ndim == 3 and x.shape[0] in CHANNELS


def to_pixels(x: Tensor) -> NDArray[np.uint8]:
    """A signal `(C, H, W)` in [-1, 1] as pixels `(H, W, C)` in 0 .. 255: round(127.5 (x + 1)), clipped."""
    scaled = (x.detach().float().cpu() + 1).mul(127.5).round().clamp(0, 255)
    return scaled.byte().permute(1, 2, 0).contiguous().numpy()


def encode_png(pixels: NDArray[np.uint8], facts: Mapping[str, str] | None = None) -> bytes:
    """Pixels `(H, W, C)`, C in {1, 3, 4}, as a PNG file; `facts` go into its text chunks, any language."""
    info = PngInfo()
    for key, value in (facts or {}).items():
        info.add_itxt(key, value)
    buffer = io.BytesIO()
    squeezed = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    Image.fromarray(squeezed).save(buffer, format="PNG", pnginfo=info, optimize=True)
    return buffer.getvalue()
