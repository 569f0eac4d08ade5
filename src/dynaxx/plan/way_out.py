"""What of a run does not fit its memory cap, of what it consists, and what would make it fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, final

from dynaxx.errors import DynaxxError
from dynaxx.plan.node_plan import NodePlan
from dynaxx.plan.predict import RunPlan
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.grids import resolve
from dynaxx.spec.rules_tiles import uncut
from dynaxx.spec.stage import PipelineStage

LEAST_TILE = 8
"""Sites of the low input along one side of a tile that is proposed, at least."""
Again = Callable[[Mapping[str, Any], int, int], RunPlan]
"""The run planned anew, with settings, samples and a batch."""


@final
@dataclass(frozen=True)
class Misfit:
    """A node that holds more than the cap: its stage's weights, its workings, and what else is held meanwhile.

    `mapped` bytes of a CPU's weights are a file's, which the system takes back where it must. `fixes` are options that
    each bring the node below the cap; none where nothing found does.
    """

    node: str
    stage: str
    peak_bytes: float
    weights_bytes: float
    workings_bytes: float
    others_bytes: float
    mapped_bytes: float
    streams: bool
    fixes: tuple[str, ...]


def misfits(run: RunPlan, spec: CascadeSpec, again: Again) -> list[Misfit]:
    """The nodes that hold more than the cap."""
    return [_misfit(one, run, spec, again) for one in run.over]


def _misfit(one: NodePlan, run: RunPlan, spec: CascadeSpec, again: Again) -> Misfit:
    own, mapped = one.own_bytes, one.weights if one.on_cpu else 0
    return Misfit(
        one.node.name, one.node.stage.name, one.peak_bytes, one.resting, own - one.resting, one.peak_bytes - own,
        mapped, one.streamed is not None, tuple(_fixes(one, run, spec, again)),
    )  # fmt: skip


def _fixes(one: NodePlan, run: RunPlan, spec: CascadeSpec, again: Again) -> Iterator[str]:
    """The largest batch, the largest tile, half precision, and the most samples, that each would do by itself."""
    stage, cap = one.node.stage, run.cap_bytes or 0

    def fits(settings: Mapping[str, Any], samples: int, batch: int) -> bool:
        try:
            found = again(settings, samples, batch)
        except DynaxxError:  # the setting is none for this stage
            return False
        return all(other.peak_bytes <= cap for other in found.nodes if other.node.name == one.node.name)

    if batch := next((n for n in _halves(one.batch) if fits({}, one.samples, n)), None):
        yield f"--batch {batch}"
    for side in _sides(one, spec):
        if fits({f"{stage.name}.tile": side}, one.samples, one.batch):
            yield f"--set {stage.name}.tile={side}"
            break
    wide = isinstance(stage, PipelineStage) and stage.dtype == "float32"
    if wide and fits({f"{stage.name}.dtype": "bfloat16"}, one.samples, one.batch):
        yield f"--set {stage.name}.dtype=bfloat16"
    if not batch and (samples := next((n for n in _halves(one.samples) if fits({}, n, one.batch)), None)):
        yield f"--samples {samples}"


def _halves(count: int) -> Iterator[int]:
    """The powers of two below a count, the largest first."""
    return (2**i for i in reversed(range((count - 1).bit_length())))


def _sides(one: NodePlan, spec: CascadeSpec) -> Iterator[int]:
    """Tiles for a node that can be cut: a power of two below its low input's sides, the half of that, and so on."""
    low = one.node.inputs.get("low")
    if low is None or len(low.grid.size) < 2 or uncut(spec, one.node.stage, resolve(spec)):
        return iter(())
    return (side for side in _halves(one.node.stage.tile or max(low.grid.size[-2:])) if side >= LEAST_TILE)
