"""Any signal as a picture: fields in grey, films as a few frames, sound as a wave."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from dynaxx.share.page import Pixels
from dynaxx.share.png import CHANNELS, to_pixels

FRAMES = 4
WAVE = (64, 256)
"""Height and width of a wave's picture."""


def show(x: Tensor) -> Pixels:
    """One signal `(C, *size)` in [-1, 1], on one to three axes, as pixels `(H, W, 3)`.

    Channels that are no colours are averaged. A film shows up to four frames side by side; on one axis the signal is
    drawn as the range of its values at every place.
    """
    if x.ndim == 4:
        count = min(FRAMES, x.shape[1])
        frames = [x[:, i * x.shape[1] // count] for i in range(count)]
        return np.concatenate([show(frame) for frame in frames], axis=1)
    if x.ndim == 2:
        return _wave(x)
    seen = x if x.shape[0] in CHANNELS else x.mean(dim=0, keepdim=True)
    pixels = to_pixels(seen)[..., :3]
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else np.ascontiguousarray(pixels)


def _wave(x: Tensor) -> Pixels:
    height, width = WAVE
    values = x.detach().float().cpu().mean(dim=0)
    columns = torch.linspace(0, len(values) - 1, width).long()
    ends = torch.stack([values[columns], values[(columns + max(1, len(values) // width)).clamp(max=len(values) - 1)]])
    rows = ((1 - ends.clamp(-1, 1)) / 2 * (height - 1)).round().long()
    at = torch.arange(height)[:, None]
    inside = (at >= rows.min(dim=0).values) & (at <= rows.max(dim=0).values)
    return np.repeat(np.where(inside.numpy(), 40, 250).astype(np.uint8)[..., None], 3, axis=2)
