"""Where a pipeline's walk begins and ends: as arguments of its call where it has them, else by its scheduler."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from dynaxx.errors import SpecError
from dynaxx.noise.level import Level
from dynaxx.spec.families import Family
from dynaxx.stage.pipeline import call as calls
from dynaxx.stage.pipeline.asked import Asked
from dynaxx.stage.pipeline.hand import Memory, fraction_of, start_share
from dynaxx.stage.pipeline.walk import Walk, first_below
from dynaxx.stage.stage import Request


def bounded(
    asked: Asked,
    family: Family,
    request: Request,
    said: Mapping[str, Any],
    given: dict[str, Any],
    above: Memory | None,
) -> tuple[Walk, dict[str, Any]]:
    """The walk of one batch, and the arguments that bound it.

    `said` are the stage's own arguments, `given` those of the whole call: a state that is taken up unfinished is scaled
    there as its level asks. `above` is what the scheduler of the stage that hands over remembers.

    Raises:
        SpecError: if the pipeline cannot begin where it should.
        RunError: if it refuses what it is called with.
    """
    walk = Walk(request.on_step, view=partial(calls.unpacked, asked.pipe, grid=request.grid))
    low, stop, more = request.spec.inputs.get("low"), request.stop_std, dict[str, Any]()
    begins = low is not None and low.via == "start" and (low.hand == "noisy" or low.noise is not None)
    if stop is None and not begins:
        return walk, more
    walk.levels = asked.levels(given)
    if stop is not None:
        more |= {"denoising_end": fraction_of(asked.scheduler, stop)} if family.fraction else {}
        walk.stop_std = None if family.fraction else stop
    if low is not None and low.hand == "noisy" and low.hand_std:
        argument, state = family.latents, given[family.latents]
        given[argument] = state * walk.levels[first_below(walk.levels, low.hand_std)].alpha
        more |= {"denoising_start": fraction_of(asked.scheduler, low.hand_std)} if family.fraction else {}
        if not family.fraction:
            walk.start_std = low.hand_std
            walk.history = above.take(request.draws.ids, asked.scheduler, state) if above else None
    elif low is not None and begins and low.noise is not None:
        more |= _share(asked, family, walk.levels, said, low.noise.std)
    return walk, more


def _share(
    asked: Asked, family: Family, levels: Sequence[Level], said: Mapping[str, Any], std: float
) -> dict[str, float]:
    """The share of its steps that a pipeline takes which begins at its input."""
    if not family.start:
        what = f"{type(asked.pipe).__name__} cannot begin at its input."
        raise SpecError(f"stage {asked.stage!r}, inputs.low.via", what, "Use `via: concat`, or another pipeline.")
    steps = said.get("num_inference_steps", calls.parameters(asked.pipe)["num_inference_steps"].default)
    return {family.start: start_share(levels, int(steps), std)}
