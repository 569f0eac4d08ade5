"""Tiny cascades and data that the training tests share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dynaxx.data.report import DataReport
from dynaxx.data.sample import Sample
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.files import loads
from dynaxx.spec.override import override

NETWORK = "network: {kind: unet, width: 16, mults: [1, 2], blocks: 1, attention: [1], head_dim: 16}"
RATE = "optimizer: {lr: 3.0e-3, warmup_steps: 5}, ema: {half_life_images: 200}"
TEXT = f"""
name: tiny
condition: {{text: {{width: 16, max_tokens: 4}}}}
data: {{kind: shapes, count: 16, size: [8, 8]}}
stages:
  - name: base
    role: base
    {NETWORK}
    train: {{steps: 20, batch_size: 8, {RATE}}}
    solver: {{steps: 6}}
    out: {{size: [4, 4]}}
  - name: bridge
    role: bridge
    inputs: {{low: {{from: base, noise: {{train_std: [0.0, 0.5], std: 0.1}}}}}}
    {NETWORK}
    train: {{steps: 20, batch_size: 8, {RATE}}}
    solver: {{steps: 6}}
    out: {{scale: {{hw: 2}}}}
"""


def tiny(**settings: object) -> CascadeSpec:
    """Base 4x4 and bridge 8x8 on drawn shapes; settings as `base__train__steps=5`."""
    return override(loads(TEXT), {path.replace("__", "."): value for path, value in settings.items()})


def base_only(**settings: object) -> CascadeSpec:
    """The base alone."""
    spec = tiny(**settings)
    return spec.model_copy(update={"stages": spec.stages[:1]})


class Given:
    """A dataset from tensors."""

    def __init__(self, xs: Sequence[Tensor], captions: Sequence[str] = (), groups: Sequence[str] = ()) -> None:
        self.xs, self.captions, self.groups = xs, tuple(captions) or ("",) * len(xs), groups
        self.report = DataReport(len(xs))

    def __len__(self) -> int:
        return len(self.xs)

    def __getitem__(self, index: int) -> Sample:
        group = self.groups[index] if self.groups else ""
        return Sample(self.xs[index], self.captions[index], id=f"s{index}", group=group)


def halves(channels: int = 3) -> Given:
    """Two pictures: the left half bright ("left"), the upper half bright ("top")."""
    left, top = -torch.ones(channels, 8, 8), -torch.ones(channels, 8, 8)
    left[..., :4], top[:, :4] = 1, 1
    return Given([left, top], ["left", "top"])
