"""Alarms that hold together: one chance of a false one over the whole report, not one for each line."""

from __future__ import annotations

from collections.abc import Sequence

from dynaxx.errors import UsageError


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for their number, each in its place (Holm, Scand. J. Statist. 1979).

    Those at most alpha may be called alarms together: the chance that any of them is false is at most alpha, however
    the measurements depend on each other.
    """
    _check(p_values)
    adjusted, so_far = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        so_far = max(so_far, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = so_far
    return adjusted


def bonferroni(confidence: float, count: int) -> float:
    """The confidence that each of `count` intervals needs, for all of them to cover with chance `confidence`."""
    if not 0 < confidence < 1 or count < 1:
        raise UsageError("family", f"expects a confidence in (0, 1) and at least one, but got {confidence}, {count}.")
    return 1 - (1 - confidence) / count


def _check(p_values: Sequence[float]) -> None:
    wrong = [p for p in p_values if not 0 <= p <= 1]
    if wrong:
        raise UsageError("family", f"expects p-values in [0, 1], but got {wrong[0]}.")
