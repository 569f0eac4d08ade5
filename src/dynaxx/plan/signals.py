"""What signals and conditions of a run take in memory, in float32."""

from __future__ import annotations

from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.grid import Grid

FLOAT = 4
"""Bytes of a number in float32."""


def signal_bytes(grid: Grid, samples: int) -> int:
    """The bytes of so many signals on a grid."""
    return FLOAT * grid.channels * grid.sites * samples


def asked_bytes(spec: CascadeSpec, samples: int) -> int:
    """The bytes of what so many samples are asked for."""
    text = spec.condition.text
    return samples * text.max_tokens * (text.width * FLOAT + 1) if text else 0
