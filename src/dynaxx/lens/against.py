"""Whether a cascade earns its place: another one, of a single stage say, on the same prompts, seeds and reference.

Which budget of training and sampling the other has been given is for the user to see to; its evaluations, weighed by
the sites they work on, are stated beside ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dynaxx.engine.cascade import Cascade
from dynaxx.errors import UsageError
from dynaxx.lens.bench import Bench
from dynaxx.lens.findings import Level
from dynaxx.lens.inputs import stand_ins
from dynaxx.lens.outcome import Outcome, finding
from dynaxx.lens.taps import Taps
from dynaxx.metrics.interval import Interval
from dynaxx.plan.walk import network_calls
from dynaxx.spec.graph import Node, nodes


def against(bench: Bench, other: Cascade) -> Outcome:
    """The other's distance from the truth less ours: above 0 where the cascade earns its place.

    Raises:
        UsageError: where the other answers on another grid, or there is no reference.
    """
    if bench.reference is None:
        raise UsageError("against", "cannot be judged without reference data.", "Name some (--data DIR).")
    known = {name: x for name, x in bench.taps.given.items() if name.removeprefix("input.") in other.spec.inputs}
    given = stand_ins(other.spec, bench.reference, known)
    taps = Taps.of(other, bench.reference, seed=bench.taps.seed, given=given)
    last = taps.graph[-1]
    if last.grid != bench.last.grid:
        problem = f"{other.spec.name} answers on {last.grid}, not on {bench.last.grid}."
        raise UsageError("against", problem, "Name a cascade that ends on the same grid.")
    theirs = bench.distance(taps.chain()[last.name], bench.last)
    found = (theirs - bench.distance(bench.chain[bench.last.name], bench.last)).interval()
    says = f"{_words(found, other.spec.name)} It takes {_work(taps.graph) / _work(bench.graph):.2g} times our work."
    level: Level = "watch" if found.high < 0 else "healthy"
    name = f"against {other.spec.name}"
    line = finding("against", bench.last.name, name, found, unit="MMD^2", says=says, level=level, reference=0.0)
    return Outcome((line,))


def against_cost(bench: Bench, other: Cascade) -> Mapping[str, int]:
    """The other's evaluations, all samples together, counted as ones of our last node by the sites they work on."""
    graph = nodes(other.spec, size=other.runtime.size)
    return {bench.last.name: round(bench.taps.count * _work(graph) / bench.last.grid.sites)}


def _words(found: Interval, name: str) -> str:
    if found.low > 0:
        return f"The cascade is nearer to the truth than {name}, by {found.value:.3g}."
    if found.high < 0:
        return f"The cascade does not earn its place: {name} is nearer to the truth, by {-found.value:.3g}."
    return f"Between the cascade and {name} no difference can be told."


def _work(graph: Iterable[Node]) -> float:
    """Evaluations of one sample, each weighed by its sites."""
    return float(sum(network_calls(node) * node.grid.sites for node in graph))
