"""Whether a setting of the run is right: the score as it varies, its minimum, and whether that beats what is set now.

    J = d(samples, truth) + E |D S(low) - low|^2 / Var(low)

d is MMD^2 at the last grid, in the chain as it runs; the second part is what a level hides of a low input that may
well be right. Both are 0 at best. All settings share samples and random numbers: differences have paired intervals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

from torch import Tensor

from dynaxx.engine.cascade import Cascade
from dynaxx.lens.bench import Bench
from dynaxx.lens.findings import Axis, Curve, Mark, Measure, Series, finite
from dynaxx.lens.outcome import Outcome, finding
from dynaxx.metrics.family import bonferroni
from dynaxx.metrics.fidelity import mse
from dynaxx.metrics.interval import CONFIDENCE
from dynaxx.metrics.pairwise import Pairwise
from dynaxx.spec.graph import Node
from dynaxx.spec.stage import DenoisingStage

SPREAD = (0.0, 0.1, 0.25, 0.5, 1.0)
"""Levels that are tried, as shares of the range that the stage was trained on."""
BEYOND = 2.0
"""Without a trained range, levels up to this many times the present one are tried."""
SCALES = (1.0, 0.5, 1.5)
"""Guidance that is tried: none, and these shares of the present one."""
LEAST = 0.15
"""The least gain in J that counts, and at least a third of what it is now."""
SHARE = 1 / 3


@final
@dataclass(frozen=True)
class Setting:
    """A path below a node's stage, the values to try, and the one it has."""

    node: Node
    name: str
    path: str
    values: tuple[float, ...]
    now: float
    limits: tuple[float, float] | None = None
    unit: str = "std"


def levels(node: Node) -> Setting | None:
    """The augmentation level of a node's low input, where noise is put on it."""
    given = node.inputs.get("low")
    if given is None or given.edge.noise is None or node.stage.repeat is not None or given.edge.hand == "noisy":
        return None
    noise, now = given.edge.noise, given.edge.std
    low, high = noise.train_std or (0.0, max(BEYOND * now, 0.1))
    if given.edge.via == "start":
        low = max(low, 0.05 * (high - low))  # at 0 nothing is left to denoise
    tried = sorted({round(low + share * (high - low), 6) for share in SPREAD} | {now})
    return Setting(node, "augmentation level", "inputs.low.noise.std", tuple(tried), now, noise.train_std)


def guidance(node: Node) -> Setting | None:
    """The guidance of a node that is guided."""
    if not isinstance(node.stage, DenoisingStage) or (now := node.stage.solver.guided.scale) == 1:
        return None
    tried = sorted({1.0, now, *(round(now * share, 4) for share in SCALES if share != 1)})
    path = "solver.guidance.scale" if node.stage.solver.guided.interval else "solver.guidance"
    return Setting(node, "guidance", path, tuple(tried), now, unit="scale")


def sweep(bench: Bench, setting: Setting, *, rows: int) -> Outcome:
    """The score at every value, and a remedy where one beats the present value beyond its family-wise interval."""
    scores = {value: score(bench, _cascade(bench, setting, value), setting.node, rows=rows) for value in setting.values}
    now, best = scores[setting.now], min(scores, key=lambda value: scores[value].value)
    gain = (now - scores[best]).interval(bonferroni(CONFIDENCE, max(1, len(scores) - 1)))
    better = gain.low > 0 and gain.value > max(LEAST, SHARE * now.value)
    name, path = setting.node.name, f"{setting.node.stage.name}.{setting.path}"
    says = f"The score is best at {best:g}; it is run at {setting.now:g}."
    if not better:
        says = f"No {setting.name} that was tried beats {setting.now:g} beyond its interval."
    found = finding(
        "level_sweep", name, f"the {setting.name}", now.interval(), unit="J", says=says, at=setting.path.split(".")[-1],
        level="fault" if better else "healthy", least=max(LEAST, SHARE * now.value),
        advice=f"Set {path} to {best:g}." if better else None,
    )  # fmt: skip
    if better:
        kind = "level" if setting.unit == "std" else "guidance"
        found = replace(found, kind=kind, gain=Measure.of(gain), change={path: best})
    return Outcome((found,), (_curve(setting, scores, best),))


def _cascade(bench: Bench, setting: Setting, value: float) -> Cascade:
    changes: Mapping[str, Any] = {f"{setting.node.stage.name}.{setting.path}": value}
    return bench.taps.cascade if value == setting.now else bench.taps.cascade.with_settings(changes)


def score(bench: Bench, cascade: Cascade, node: Node, *, rows: int) -> Pairwise:
    """J of a cascade that differs from the bench's own in settings of one node."""
    answers = bench.taps.chain(cascade=cascade, rows=range(rows))
    found = bench.distance(answers[bench.last.name], bench.last)
    if node not in bench.later():
        return found
    parent = bench.low(node).parents[0]
    low = answers[parent] if parent in answers else bench.given[parent][:rows]
    astray = mse(bench.down(answers[node.name], node), low) / low.double().var().clamp_min(1e-12)
    return found + of_samples(astray)


def of_samples(values: Tensor) -> Pairwise:
    """The mean of `(n,)` numbers as a mean over pairs, so that it adds to distances."""
    return Pairwise((values[:, None] + values[None, :]) / 2)


def settings(bench: Bench) -> Sequence[Setting]:
    """All that is swept: levels first, then guidance."""
    found = [levels(node) for node in bench.graph] + [guidance(node) for node in bench.graph]
    return [setting for setting in found if setting is not None and len(setting.values) > 1]


def _curve(setting: Setting, scores: Mapping[float, Pairwise], best: float) -> Curve:
    ends = [scores[value].interval() for value in setting.values]
    line = Series(
        "J", "measured", setting.values, tuple(finite(i.value) for i in ends), tuple(finite(i.low) for i in ends),
        tuple(finite(i.high) for i in ends),
    )  # fmt: skip
    marks = [Mark(setting.now, "now", "now"), Mark(best, "minimum", "minimum")]
    marks += [Mark(end, "trained range", "limit") for end in setting.limits or ()]
    name = setting.node.name
    return Curve(
        f"{name}.{setting.path.split('.')[-1]}", "level_sweep", name, f"The {setting.name} of {name}",
        "Lower is better; the shaded band is the 95% interval.", Axis(setting.name, setting.unit), Axis("score J"),
        (line,), tuple(marks),
    )  # fmt: skip
