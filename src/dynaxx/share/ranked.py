"""The order in which findings are read: what is at fault first, then by what a change should gain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

LEVELS = {"fault": "at fault", "watch": "to watch", "healthy": "healthy", "unknown": "not known"}
"""The levels, worst first, as readers see them."""


def ranked(findings: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Faults first, then what to watch; within a level by expected gain, else as they came."""
    order = list(LEVELS)
    return sorted(findings, key=lambda f: (order.index(f["level"]), -((f["gain"] or {}).get("value") or 0.0)))
