"""Which networks are timed in a calibration: chosen ones first, then as many drawn ones as there is time for."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import NamedTuple

Sizes = tuple[int, ...]
SIDES = {1: (64, 128, 256, 512, 1024), 2: (8, 16, 24, 32, 48, 64), 3: (8, 12, 16)}
"""By the number of axes."""
MOST = 6e7
"""A drawn network's width^2 * sites * batch * depth is below this: a second or so on one core."""


class Shape(NamedTuple):
    """One network: width, mults, attention, size, batch, whether there is text, blocks."""

    width: int
    mults: Sizes
    attention: Sizes
    size: Sizes
    batch: int
    text: bool
    blocks: int = 1


SHAPES = (
    Shape(16, (1, 2), (1,), (16, 16), 4, True),
    Shape(16, (1, 2), (1,), (8, 16, 16), 2, False),
    Shape(32, (1, 2), (1,), (256,), 4, False),
    Shape(32, (1, 1, 2), (2,), (64, 64), 1, False),
    Shape(24, (1, 2), (1,), (16, 16), 1, True),
    Shape(64, (1, 2, 2), (2,), (32, 32), 1, True),
    Shape(32, (1, 2), (0,), (8, 8, 8), 1, False),
    Shape(24, (1, 2), (), (32, 32), 2, False),
    Shape(16, (1, 2), (), (24, 24), 8, False),
    Shape(64, (1, 2), (1,), (16, 16), 2, False),
    Shape(32, (1, 2, 4), (2,), (16, 16), 4, True),
    Shape(48, (1, 2), (0,), (64,), 2, True),
    Shape(16, (1, 2, 2), (), (64, 64), 2, False),
    Shape(40, (1, 3), (1,), (16, 16), 2, False),
    Shape(64, (1, 2, 4), (2,), (8, 8), 2, True, 2),
    Shape(96, (1, 2, 4), (2,), (16, 16), 1, True),
    Shape(128, (1, 2, 4), (2,), (8, 8), 2, True),
    Shape(128, (1, 2, 4), (2,), (32, 32), 1, True),
    Shape(64, (1, 2, 4), (2,), (4, 8, 8), 2, True),
)
"""The last ones have many weights on few sites, which are read anew for every evaluation."""


def shapes() -> Iterator[Shape]:
    """The chosen ones, then drawn ones without end, the same ones every time."""
    return itertools.chain(SHAPES, _drawn(random.Random(1)))


def _drawn(rng: random.Random) -> Iterator[Shape]:
    while True:
        axes, depth = rng.choice((1, 2, 2, 2, 3)), rng.choice((1, 2, 3))
        side, whole = rng.choice(SIDES[axes]), 2 ** (depth - 1)
        mults = (1, *(rng.choice((1, 2, 3, 4)) for _ in range(depth - 1)))
        attention = tuple(sorted(rng.sample(range(depth), rng.choice((0, 1, 1)))))
        size = (side // whole * whole,) * axes
        shape = Shape(
            rng.choice((16, 24, 32, 48, 64)), mults, attention, size, rng.choice((1, 2, 4, 8)),
            text=rng.random() < 0.5, blocks=rng.choice((1, 2)),
        )  # fmt: skip
        if shape.width**2 * side**axes * shape.batch * depth * shape.blocks < MOST:
            yield shape
