"""The front of several figures: those of which no other is at least as good in everything and better in something."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

One = TypeVar("One")
Figures = tuple[float, ...]
"""Less is better in each."""


def front(found: Sequence[One], figures: Callable[[One], Figures]) -> list[One]:
    """Those that no other dominates, in their order; equal ones stay together (Pareto)."""
    told = [figures(one) for one in found]
    return [one for one, own in zip(found, told, strict=True) if not any(dominates(other, own) for other in told)]


def dominates(a: Figures, b: Figures) -> bool:
    """Whether `a` is nowhere worse than `b`, and better somewhere."""
    return a != b and all(x <= y for x, y in zip(a, b, strict=True))
