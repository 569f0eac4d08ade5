"""A frozen way to say which pictures look alike: a small Lab thumbnail beside gradient orientations.

Frozen: figures of different versions are comparable only while this file stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dynaxx.signal.resample import resample

THUMB, EDGES = (8, 8), (16, 16)
FAINT = 0.05
"""A gradient of this length, in units of lightness 0 .. 1 per site, counts half."""
RGB_TO_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)  # sRGB, D65 (IEC 61966-2-1)
WHITE = (0.95047, 1.0, 1.08883)


def lab(x: Tensor) -> Tensor:
    """CIE L*a*b* over 100, `(B, 3, H, W)`, of sRGB pictures in [-1, 1]."""
    coded = (x.clamp(-1, 1) + 1) / 2
    linear = torch.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    xyz = torch.einsum("ij,bjhw->bihw", x.new_tensor(RGB_TO_XYZ), linear) / x.new_tensor(WHITE).view(3, 1, 1)
    f = torch.where(xyz > (6 / 29) ** 3, xyz.clamp(min=1e-9) ** (1 / 3), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    X, Y, Z = f.unbind(1)
    return torch.stack([1.16 * Y - 0.16, 5 * (X - Y), 2 * (Y - Z)], dim=1)


def orientations(x: Tensor) -> Tensor:
    """Gradients of lightness on 16 x 16 as `(B, 2, 16, 16)`, of length near 1 where strong and near 0 where faint."""
    light = lab(resample(x, EDGES, "area"))[:, :1]
    padded = torch.nn.functional.pad(light, (1, 1, 1, 1), mode="replicate")
    across = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    down = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    gradient = torch.cat([across, down], dim=1)
    return gradient / (gradient.norm(dim=1, keepdim=True) + FAINT)


class Gallery:
    """Pictures by group; which groups look most like a picture."""

    def __init__(self, pictures: Tensor, groups: Sequence[str]) -> None:
        self.names = sorted(set(groups))
        self._group = torch.tensor([self.names.index(group) for group in groups])
        self._parts = self._features(pictures)
        self._scales = [float(part.var(0).sum()) for part in self._parts]  # half the mean squared distance of two

    def nearest(self, pictures: Tensor, count: int) -> list[list[str]]:
        """For each picture the `count` groups that have the nearest member, nearest first."""
        total = torch.zeros(len(pictures), len(self._group))
        for part, own, scale in zip(self._features(pictures), self._parts, self._scales, strict=True):
            total += torch.cdist(part, own).square() / scale
        nearest = torch.full((len(pictures), len(self.names)), torch.inf)
        nearest.scatter_reduce_(1, self._group.expand(len(pictures), -1), total, "amin")
        return [[self.names[i] for i in row] for row in nearest.topk(count, largest=False).indices.tolist()]

    @staticmethod
    def _features(x: Tensor) -> list[Tensor]:
        return [lab(resample(x, THUMB, "area")).flatten(1), orientations(x).flatten(1)]
