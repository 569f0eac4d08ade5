"""What tuning found in plain sentences: what was tried, what was best, and what to try where that does not do."""

from __future__ import annotations

from dynaxx.evolve.tune.cost import Cost
from dynaxx.evolve.tune.run import Tuned
from dynaxx.evolve.tune.search import Bound


def says(found: Tuned) -> str:
    """The result in a few sentences."""
    if found.shown:
        return f"{_measured(found)} {_counted(found)}".strip()
    return f"{_tried(found)} {_why(found)} {_counted(found)}".strip()


def _tried(found: Tuned) -> str:
    return f"Nothing better was found. {found.tried} choices were tried in {found.rounds} rounds."


def _why(found: Tuned) -> str:
    sure = found.confirmed
    if "together" not in found.curves:
        return "The time was up before stages were tried together: give more (--budget); what was measured is kept."
    if found.choice is None:
        best = f"the cheapest walk of all stages together takes {_work(found.least, found.now)}"
        return f"None is inside the bound ({_bound(found.bound)}); {best}. Allow more (--share, --latency)."
    if sure is None:
        best = f"None scores higher inside the bound ({_bound(found.bound)}) than the cascade as it is"
        return f"{best}. Ask for less work (--share), or search on more signals (--num)."
    told = f"The best inside the bound was {found.choice.words}: {_measured(found)}"
    if not sure.unseen:
        fix = "Search on fewer signals (--num), or bring more (--data)."
        return f"{told} No signals are left that were not searched on, so that this is not confirmed. {fix}"
    fix = "Confirm on more signals (--fresh, --budget), or allow more work (--share) or a larger loss (--within)."
    return f"{told} That it loses at most {found.within:.0%} is not shown. {fix}"


def _measured(found: Tuned) -> str:
    sure = found.confirmed
    assert sure is not None
    before, after, change = sure.before.value or 0.0, sure.after.value or 0.0, sure.change
    low = "not bounded" if change.low is None else f"at least {change.low:+.3f} with 95%"
    score = f"score {after:.3f}, before {before:.3f} (change {change.value or 0.0:+.3f}, {low})"
    return f"{_work(found.then, found.now)}, {score}, on {sure.num} {sure.signals}."


def _work(cost: Cost, now: Cost) -> str:
    told = f"{cost.total / now.total:.0%} of the {'network evaluations' if now.unit == 'evaluations' else now.unit}"
    return told if cost.latency_s is None else f"{told}, {cost.latency_s:.3g} s predicted for a sample"


def _bound(bound: Bound) -> str:
    parts = [] if bound.share is None else [f"{bound.share:.0%} of the work"]
    parts += [] if bound.latency_s is None else [f"{bound.latency_s:g} s"]
    return " and ".join(parts) or "no bound"


def _counted(found: Tuned) -> str:
    """What the plan could not tell."""
    if not found.now.unknown:
        return ""
    names = ", ".join(found.now.unknown)
    return f"The FLOPs of {names} are not known: work is counted in network evaluations, as if all took as long."
