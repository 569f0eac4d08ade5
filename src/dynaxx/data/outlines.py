"""Outlines and textures as functions of the plane: a shape is where its function is at most 0, dark where above."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

Plane = Callable[[Tensor, Tensor], Tensor]
VALLEY = 0.42


def _polygon(corners: int) -> Plane:
    """A regular polygon in the unit circle, one corner upwards: the distance beyond the nearest edge."""
    sector = math.tau / corners

    def outside(x: Tensor, y: Tensor) -> Tensor:
        angle = torch.atan2(x, -y) % sector - sector / 2
        return torch.hypot(x, y) * angle.cos() - math.cos(sector / 2)

    return outside


def _star(x: Tensor, y: Tensor) -> Tensor:
    """Five points on the unit circle, valleys at 0.42: the side of the line from the nearest point to its valley."""
    sector = math.tau / 5
    radius = torch.hypot(x, y)
    angle = ((torch.atan2(x, -y) + sector / 2) % sector - sector / 2).abs()
    along, across = radius * angle.cos() - 1, radius * angle.sin()
    valley_along, valley_across = VALLEY * math.cos(sector / 2) - 1, VALLEY * math.sin(sector / 2)
    return along * valley_across - across * valley_along


def _square(x: Tensor, y: Tensor) -> Tensor:
    return torch.maximum(x.abs(), y.abs()) - 0.85


def _cross(x: Tensor, y: Tensor) -> Tensor:
    return torch.minimum(torch.maximum(x.abs() - 0.3, y.abs() - 1), torch.maximum(x.abs() - 1, y.abs() - 0.3))


def _crescent(x: Tensor, y: Tensor) -> Tensor:
    return torch.maximum(torch.hypot(x, y) - 1, 0.75 - torch.hypot(x - 0.5, y))


OUTLINES: dict[str, Plane] = {
    "circle": lambda x, y: torch.hypot(x, y) - 1,
    "square": _square,
    "triangle": _polygon(3),
    "diamond": _polygon(4),
    "hexagon": _polygon(6),
    "star": _star,
    "ring": lambda x, y: (torch.hypot(x, y) - 0.75).abs() - 0.25,
    "cross": _cross,
    "crescent": _crescent,
}

TEXTURES: dict[str, Plane] = {
    "plain": lambda x, y: torch.full_like(x + y, -1.0),
    "striped": lambda x, y: (2.5 * math.tau * (x + y) / 1.414).sin(),
    "checked": lambda x, y: (1.25 * math.tau * x).sin() * (1.25 * math.tau * y).sin(),
    "dotted": lambda x, y: (1.75 * math.tau * x).cos() + (1.75 * math.tau * y).cos() - 0.9,
}
