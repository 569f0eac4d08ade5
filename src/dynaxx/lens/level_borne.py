"""Whether the level that a stage is told is the one that its input bears: noise measured, against noise stated.

noise that a pipeline puts on its input    sigma / alpha, of what it made of the input, as it made it
a walk that begins at its input u          sigma / alpha, of x_t = alpha u + sigma eps
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from dynaxx.lens.advice import advice
from dynaxx.lens.alarms import alarms
from dynaxx.lens.bench import Bench
from dynaxx.lens.crossing import foreign
from dynaxx.lens.findings import Finding
from dynaxx.lens.heard import Heard, heard
from dynaxx.lens.outcome import Outcome, finding, unasked
from dynaxx.metrics.interval import CONFIDENCE, Interval
from dynaxx.metrics.means import mean_of
from dynaxx.noise.units import UNITS, std_of
from dynaxx.spec.families import FAMILIES, Knob
from dynaxx.spec.graph import Node

PROBE, NAME, KIND = "level_borne", "the level that its input bears", "level-unit"
OFF = 1.25
"""The least factor between two levels that counts; rounding to a timestep is within a hundredth."""
ALIKE = 1.02
"""Levels within this factor are one."""
LEFT = 5.0
"""The least number of standard errors by which the input must stand out of the noise to be measured beside it."""


def level_borne(bench: Bench, *, rows: int) -> Outcome:
    """A finding for every input of a pretrained pipeline, or across spaces, that bears noise."""
    found = list[Finding]()
    for node in filter(foreign, bench.graph):
        listened = heard(bench, node, rows=rows)
        if listened.put_on is not None:
            found.append(_put_on(node, listened, rows))
        if begun := _begun(bench, node, listened):
            found.append(begun)
    return Outcome(tuple(found))


def _put_on(node: Node, listened: Heard, n: int) -> Finding:
    """What a pipeline put on its input, against what it was told; both are exact."""
    assert listened.put_on is not None
    measured = Interval(listened.put_on, listened.put_on, listened.put_on, n)
    family = FAMILIES.get(listened.call["pipeline"])
    if family is None or family.level is None:
        says = f"The noise on its input has std {measured.value:.3g}; nobody states which it should have."
        return finding(PROBE, node.name, NAME, measured, unit="std", says=says, at="put_on")
    told, stated = _told(family.level, listened.call)
    words = f"`{family.level.argument}` {told:g} stands for std {stated:.3g}, but puts on {measured.value:.3g}"
    other = [name for name, unit in UNITS.items() if unit.low <= told <= unit.high and name != family.level.unit]
    fits = [name for name in other if _factor(std_of(name, told), measured.value) < ALIKE]
    words += f", as it would in the unit {fits[0]}" if fits else ""
    return _judged(node, measured, stated, words, at="put_on")


def _told(knob: Knob, call: Any) -> tuple[float, float]:
    """What a pipeline was told in its own unit, and the std that this stands for."""
    told = float(call.get(knob.argument, knob.default))
    return told, std_of(knob.unit, told)


def _begun(bench: Bench, node: Node, listened: Heard) -> Finding | None:
    """The noise in the state with which a walk begins, against the level it is taken for; None where all is noise.

    Pipelines begin at their input where the edge says so, and also where their own arguments do.
    """
    edge = node.inputs["low"].edge
    if listened.x_t is None or listened.std is None:
        return None
    low = bench.low_of(node)[: len(listened.x_t)]
    here = listened.x_t.shape == low.shape
    if edge.via != "start" and not (here and noise_beside(listened.x_t, low)):
        return None
    if edge.hand == "noisy" or "denoising_start" in listened.call:
        return unasked(
            PROBE, node.name, NAME, "it is handed over unfinished, and what lies below is not known", at="start"
        )
    if not here:
        return unasked(PROBE, node.name, NAME, "its input is brought into another space on the way", at="start")
    found = noise_beside(listened.x_t, low)
    if found is None:
        return unasked(PROBE, node.name, NAME, "its noise leaves too little of it to measure the two apart", at="start")
    words = f"its walk begins as if at std {listened.std:.3g}, but the state there bears {found.value:.3g}"
    sure = noise_beside(listened.x_t, low, alarms(bench).confidence)
    judged = _judged(node, found, listened.std, words, at="start", sure=sure)
    if judged.level == "healthy" and edge.noise is not None and _factor(found.value, edge.noise.std) > OFF:
        says = f"The edge says std {edge.noise.std:.3g}; the nearest level of its walk is {listened.std:.3g}."
        return replace(judged, level="watch", says=says, reference=edge.noise.std, advice="Let it walk in more steps.")
    return judged


def noise_beside(x_t: Tensor, low: Tensor, confidence: float = CONFIDENCE) -> Interval | None:
    """Sigma / alpha of `x_t = alpha u + sigma eps`, u and x_t `(n, C, *size)`; None where alpha is lost in it."""
    u, x = (s.double().flatten(1) for s in (low, x_t))
    square = u.square().sum(1).clamp_min(1e-12)
    alpha = (x * u).sum() / square.sum()
    left = (x - alpha * u).square().mean(1)
    if alpha <= LEFT * torch.sqrt(left.mean() / square.sum()):
        return None
    ends = mean_of(left).interval(confidence)
    low_end, value, high = (math.sqrt(max(end, 0.0)) / float(alpha) for end in (ends.low, ends.value, ends.high))
    return Interval(value, low_end, high, ends.n, confidence)


def _judged(
    node: Node, measured: Interval, stated: float, words: str, *, at: str, sure: Interval | None = None
) -> Finding:
    """A level against the stated one; `sure` is its interval at the confidence of alarms, where it is not exact."""
    off = (sure or measured).excludes(stated) and _factor(measured.value, stated) > OFF
    says = f"{words[0].upper()}{words[1:]}." if off else f"Its input bears the level that it is told, {stated:.3g}."
    return finding(
        PROBE, node.name, NAME, measured, unit="std", says=says, at=at, reference=stated, least=OFF,
        level="fault" if off else "healthy", kind=KIND if off else None, advice=advice(KIND) if off else None,
    )  # fmt: skip


def _factor(a: float, b: float) -> float:
    """How many times the larger of two levels is the smaller."""
    least, most = sorted((abs(a), abs(b)))
    return most / least if least else math.inf if most else 1.0
