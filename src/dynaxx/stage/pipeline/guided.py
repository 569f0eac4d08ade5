"""A pipeline's guidance within an interval of levels: outside it, its network is asked for the prompt alone.

The pipeline itself knows nothing of it. It asks for both answers, with the prompt and without, and outside the
interval (or at scale 1) is given the one with the prompt for both: without + scale (with - without) is then that
answer, exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import torch

from dynaxx.errors import SpecError
from dynaxx.noise.level import Level
from dynaxx.spec.facts import NETWORKS
from dynaxx.spec.families import Family
from dynaxx.spec.stage import PipelineStage
from dynaxx.stage.levers.lever import Answering, around
from dynaxx.stage.pipeline.walk import Walk, settle
from dynaxx.stage.tensors import each, tensors


@final
@dataclass(frozen=True)
class Guidance:
    """Where the guidance of a walk is on: at levels in `interval`, (low, high] in std, unless its scale is 1."""

    interval: tuple[float, float] | None
    scale: float | None = None

    def on(self, level: Level) -> bool:
        """Whether guidance changes the answer at a level."""
        inside = self.interval is None or self.interval[0] < float(level.std) <= self.interval[1]
        return inside and self.scale != 1


def check_interval(spec: PipelineStage, family: Family, kind: str) -> None:
    """See that the guidance of a pipeline can be limited, where that is asked for.

    Raises:
        SpecError: if it is not known how this pipeline guides, or it does not.
    """
    if spec.guidance_interval is not None and not family.guides:
        what = f"limits guidance, and it is not known how {kind or 'this pipeline'} guides."
        raise SpecError(f"stage {spec.name!r}, guidance_interval", what, "Remove it.")


def guidance_of(spec: PipelineStage, said: Mapping[str, Any], network: str) -> Guidance:
    """That of one of the pipeline's networks: the lower of two experts may have a scale of its own.

    With a first scale of 1 nothing is guided, and the pipeline asks once by itself.
    """
    if spec.guidance_interval is not None and said.get("guidance_scale") == 1:
        return Guidance(spec.guidance_interval, 1.0)
    own = said.get("guidance_scale_2") if network == "transformer_2" else None
    return Guidance(spec.guidance_interval, None if own is None else float(own))


@contextmanager
def limited(
    pipe: Any, family: Family, spec: PipelineStage, said: Mapping[str, Any], walk: Walk, count: int
) -> Iterator[set[int]]:
    """Have the networks answer as their guidance says for one call of their pipeline on `count` samples.

    What it yields comes to hold the steps at which the guidance of such a network was on.
    """
    guided = set[int]()
    parts = {name: part for name in NETWORKS if (part := getattr(pipe, name, None)) is not None}
    asked = {name: guidance_of(spec, said, name) for name in parts if family.guides}
    limits = {parts[name]: one for name, one in asked.items() if one != Guidance(None)}
    undos = [
        around(
            network,
            partial(
                _sparing, guidance=one, walk=walk, scheduler=pipe.scheduler, count=count, family=family, guided=guided
            ),
        )
        for network, one in limits.items()
    ]
    try:
        yield guided
    finally:
        for undo in undos:
            undo()


def _sparing(
    answering: Answering,
    guidance: Guidance,
    walk: Walk,
    scheduler: Any,
    count: int,
    family: Family,
    guided: set[int],
) -> Answering:
    """A network that spares itself the answer without the prompt where nobody needs it."""
    kept: dict[int, Any] = {}

    def answer(*args: Any, **named: Any) -> Any:
        if walk.index == 0:
            settle(walk, scheduler, named["timestep"] if "timestep" in named else args[1])
        if guidance.on(walk.levels[walk.index]):
            guided.add(walk.index)
            return answering(*args, **named)
        if family.apart:
            if walk.index not in kept:
                kept.clear()
                kept[walk.index] = answering(*args, **named)
            return kept[walk.index]
        if next(tensors([args, named])).shape[0] != 2 * count:
            return answering(*args, **named)
        half = each([args, named], lambda x: x[count:] if x.ndim and x.shape[0] == 2 * count else x)
        return each(answering(*half[0], **half[1]), lambda x: torch.cat([x, x]))

    return answer
