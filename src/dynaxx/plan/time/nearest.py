"""The group of probes that tells of an operation: its own, or where that was not probed the one most like it."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

FALLBACK = "pointwise"
"""What tells of bytes that are moved in a way that was not probed."""


class Parts(NamedTuple):
    """What a group's name says: a class, and of convolutions axes, kernel, stride, layout, and whose kernel it is."""

    kind: str
    axes: str
    kernel: str
    stride: str
    last: bool
    alone: bool

    @property
    def forward(self) -> str:
        """The class without gradients."""
        return self.kind.removesuffix("_back")

    @property
    def family(self) -> str:
        """The class whatever its kernel."""
        return self.forward.removesuffix("1")


def parts_of(group: str) -> Parts:
    """The parts of a name such as `conv-2d-3-1-last-alone`, or `mm`."""
    kind, *rest = group.split("-")
    axes, kernel, stride = rest[:3] or ("", "", "")
    return Parts(kind, axes, kernel, stride, last="last" in rest, alone="alone" in rest)


def nearest(group: str, known: Collection[str]) -> str:
    """The group that is most like one: of its class, if need be forward or with another kernel; then by its shape.

    Of shapes, axes count most, then stride, kernel, whose kernel it is, and layout.

    Raises:
        ValueError: if none is known.
    """
    return group if group in known else max(known, key=lambda name: _alike(parts_of(name), parts_of(group)))


def _alike(one: Parts, other: Parts) -> tuple[bool, ...]:
    """In how much they agree, what counts most first."""
    kinds = one.kind == other.kind, one.forward == other.forward, one.family == other.family, one.kind == FALLBACK
    shapes = one.axes == other.axes, one.stride == other.stride, one.kernel == other.kernel
    return *kinds, *shapes, one.alone == other.alone, one.last == other.last
