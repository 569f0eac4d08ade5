"""The best candidate inside a budget, the reasons for every choice; or the bound that breaks, and what would do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import final

from dynaxx.errors import RunError, UsageError
from dynaxx.plan.money import prices
from dynaxx.plan.propose.shapes import PACES, shapes
from dynaxx.plan.propose.target import STEPS, Budget, Target
from dynaxx.plan.propose.weigh import LATENCY_S, Candidate, unbeaten, weigh
from dynaxx.plan.time.choose import clock_for
from dynaxx.plan.time.devices import known_devices
from dynaxx.spec.cascade import BudgetSpec, CascadeSpec
from dynaxx.spec.stage import DiffusionStage

UNITS = {"latency_s": "s", "memory_gib": "GiB", "train_hours": "h", "train_cost_usd": "USD"}
MARGIN = 1.05
"""The nearest budget is named with so much to spare, so that it does do."""


@final
@dataclass(frozen=True)
class Reason:
    """One choice, why it was made, and where that is from."""

    choice: str
    why: str
    source: str


@final
@dataclass(frozen=True)
class Proposal:
    """The cascade that is proposed, the single stage beside it, the front, the reasons, and where times are from."""

    best: Candidate
    spec: CascadeSpec
    single: Candidate
    front: tuple[Candidate, ...]
    reasons: tuple[Reason, ...]
    clock: str


def propose(target: Target, budget: Budget, *, device: str, devices: int = 1) -> Proposal:
    """The most capable cascade inside a budget.

    Raises:
        RunError: if none fits: naming the bounds that break, and the nearest that would do.
        UsageError: if the device is unknown or was not calibrated, or if its price bounds what is not known.
    """
    _check_priced(budget, device)
    clock, source = clock_for(device)
    if clock is None:
        problem = f"nothing tells how fast {device} is ({source})."
        raise UsageError("device", problem, "Calibrate, or name a known one.")
    weighed = [one for shape in shapes(target) for one in weigh(target, shape, clock, device, devices)]
    every = _on(device, weighed)
    fitting = [one for one in every if one.fits(budget)]
    if not fitting:
        raise _impossible(every, budget)
    several = [one for one in fitting if one.shape.stages > 1] or fitting
    best = max(several, key=lambda one: (*one.rank, -one.value(LATENCY_S), -one.latency_s.value))
    alone = [one for one in every if one.shape.stages == 1]
    near = [one for one in alone if one.fits(budget)] or alone[:1]
    single = max(near, key=lambda one: one.rank)
    spec = best.spec.model_copy(update={"budget": BudgetSpec(**budget.bounds()) if budget.bounds() else None})
    return Proposal(best, spec, single, tuple(unbeaten(every)), tuple(_reasons(best, single, target, device)), source)


def _check_priced(budget: Budget, device: str) -> None:
    """Dollars bound something only where somebody says what an hour costs."""
    if budget.train_cost_usd is not None and device not in prices():
        problem = f"{budget.train_cost_usd:g} dollars cannot be held: nobody says what {device} costs an hour."
        raise UsageError("train cost", problem, "Add its price to the file that `dynaxx plan --prices` shows.")


def _on(device: str, every: list[Candidate]) -> list[Candidate]:
    """Those that the device's memory can run and train."""
    known = known_devices().get(device)
    fitting = [one for one in every if known is None or max(one.memory_gib, one.train_gib) <= known.memory_gib]
    if known and not fitting:
        least = min(max(one.memory_gib, one.train_gib) for one in every)
        problem = (
            f"every cascade for this target needs {least:.3g} GiB or more, and {device} has {known.memory_gib:.3g}."
        )
        raise RunError("device", problem, "Name a larger device, or ask for a smaller target.")
    return fitting


def _impossible(every: Sequence[Candidate], budget: Budget) -> RunError:
    """The bounds that no candidate keeps; for each, the least that would do while the others hold."""
    bounds, said = budget.bounds(), []
    for bound, most in bounds.items():
        others = Budget(**{name: value for name, value in bounds.items() if name != bound})
        left = [one.value(bound) for one in every if one.fits(others)]
        if left and min(left) > most:
            said.append(_nearest(bound, most, min(left)))
    if not said:  # several break at once, each by itself
        for bound, most in bounds.items():
            least = min(one.value(bound) for one in every)
            if least > most:
                said.append(_nearest(bound, most, least))
    if not said:
        closest = min(every, key=lambda one: max(one.value(bound) / most for bound, most in bounds.items()))
        said = [_nearest(bound, most, max(most, closest.value(bound))) for bound, most in bounds.items()]
    return RunError("budget", f"no cascade keeps {', '.join(said)}.", "Raise it, or ask for a smaller target.")


def _nearest(bound: str, most: float, least: float) -> str:
    nearest = f"nearest: {least * MARGIN:.3g} {UNITS[bound]}" if least < inf else "nothing tells the wait for weights"
    return f"{bound} {most:g} {UNITS[bound]} ({nearest})"


def _reasons(best: Candidate, single: Candidate, target: Target, device: str) -> list[Reason]:
    """Every choice of the proposal."""
    shape, compared = best.shape, single.latency_s.value / best.latency_s.value
    steps = " / ".join(map(str, PACES[shape.pace][: min(shape.stages, 3)]))
    factors = " then ".join(f"x{factor}" for factor in shape.factors) or "none"
    sizes = " -> ".join(str(one.node.grid) for one in best.run.nodes)
    fewer = f"a single stage takes {compared:.2g} times as long a sample; structure is settled on a coarse grid"
    falling = "they fall with resolution, where each costs more and decides less; 15 to 20 settle structure"
    waits = "" if best.fetch_s is not None else "; the wait for weights is unknown, and not in the latency"
    held = f"{best.memory_gib:.3g} GiB at once on {device}{waits}"
    trained = f"{best.train_hours.value:.3g} h in all, {best.train_gib:.3g} GiB at once"
    cdm = "CDM, arXiv 2106.15282"
    found = [
        Reason(f"{shape.stages} stages, {sizes}", fewer, f"{cdm}; this plan"),
        Reason(f"factors {factors}", "each stage answers a few times what it reads", cdm),
        Reason(f"width {shape.width}", "the widest whose latency, memory and training fit", "this plan"),
        Reason(f"steps {steps}", falling, "arXiv 2211.01095; LTX-Video, arXiv 2501.00103"),
        Reason("guidance on the base above std 0.5", "at small levels it costs and does not help", "arXiv 2404.07724"),
        Reason("noise on every low input, told to the stage", "it keeps errors from adding up", cdm),
        Reason(f"{best.run.placement} weights", held, "this plan"),
        Reason(f"{STEPS[target.quality]} training steps a stage ({target.quality})", trained, "this plan"),
    ]
    if "truncated" in {stage.process.kind for stage in best.spec.stages if isinstance(stage, DiffusionStage)}:
        why = "it starts at its input with a little noise, so few steps do"
        found.append(Reason("truncated process on the refine stage", why, "a relative of ResShift, arXiv 2307.12348"))
    return found
