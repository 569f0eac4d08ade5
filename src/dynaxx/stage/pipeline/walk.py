"""A scheduler listened to while a pipeline walks: its levels, its steps in our words, stopped or begun half-way."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, final

import torch
from torch import Tensor

from dynaxx.noise.level import Level
from dynaxx.noise.solve.step import Step
from dynaxx.stage.stage import OnStep

TOLERANCE = 1e-6
"""Relative: timesteps and sigmas are rounded to float32."""


class Stopped(Exception):
    """A walk is left early: it came to where it is handed over, or was rehearsed."""


@final
@dataclass
class Walk:
    """What is asked of a walk, and what came of it.

    `stop_std` ends it, at `state`, before the first step that would start below that level; `start_std` begins there.
    `history` is what the scheduler of the walk above remembered, `left` what this one remembers at its end.
    `rehearse` ends it before the first step, when the levels are known: one per step, and the last one's end.
    """

    on_step: OnStep | None = None
    rehearse: bool = False
    stop_std: float | None = None
    start_std: float | None = None
    history: dict[str, Any] | None = None
    view: Callable[[Tensor], Tensor] = lambda x: x
    levels: list[Level] = field(default_factory=list)
    index: int = 0
    state: Tensor = field(default_factory=lambda: torch.empty(0))
    left: dict[str, Any] = field(default_factory=dict)


@contextmanager
def walking(scheduler: Any, walk: Walk) -> Iterator[None]:
    """Listen to a scheduler for one call of its pipeline; one without a scheduler takes no steps."""
    if scheduler is None:
        yield
        return
    original = {name: getattr(scheduler, name) for name in ("set_timesteps", "step")}
    begin = getattr(scheduler, "set_begin_index", None)
    whole: list[Tensor] = []

    @wraps(original["set_timesteps"])  # pipelines look at the signature
    def set_timesteps(*args: Any, **given: Any) -> None:
        original["set_timesteps"](*args, **given)
        walk.levels = levels_of(scheduler)
        if walk.rehearse:
            raise Stopped
        first = first_below(walk.levels, walk.start_std)
        if first:
            whole.append(scheduler.timesteps)
            scheduler.timesteps, walk.levels = scheduler.timesteps[first:], walk.levels[first:]
            if begin is not None:
                begin(first)
                scheduler.set_begin_index = lambda index=0: begin(index + first)
        for name, value in (walk.history or {}).items():
            setattr(scheduler, name, value)

    @wraps(original["step"])
    def step(*args: Any, **given: Any) -> Any:
        if whole:  # the pipeline has read the timesteps that are left; the scheduler itself counts them all
            scheduler.timesteps = whole.pop()
        if walk.index == 0:
            settle(walk, scheduler, given["timestep"] if "timestep" in given else args[1])
        found = original["step"](*args, **given)
        state = found[0] if isinstance(found, tuple) else found.prev_sample
        if walk.index + 1 < len(walk.levels):
            _tell(walk, scheduler, args, given, state)
            walk.index += 1
            if walk.stop_std is not None and _below(walk.levels[walk.index], walk.stop_std):
                walk.left, walk.state = _remembered(scheduler), state
                raise Stopped
        return found

    scheduler.set_timesteps, scheduler.step = set_timesteps, step
    try:
        yield
    finally:
        for name in ("set_timesteps", "step", "set_begin_index"):
            vars(scheduler).pop(name, None)


def levels_of(scheduler: Any) -> list[Level]:
    """The level of every timestep that a scheduler has set, and 0 at the end."""
    return [*(level_at(scheduler, i) for i in range(len(scheduler.timesteps))), Level(0.0, 1.0, 0.0)]


def level_at(scheduler: Any, index: int) -> Level:
    """The level of a step: of a flow, of a signal left as it is, or of one that keeps its variance."""
    timestep = float(scheduler.timesteps[index])
    steps = int(scheduler.config.num_train_timesteps)
    sigmas = getattr(scheduler, "sigmas", None)
    if sigmas is None or len(sigmas) < len(scheduler.timesteps):
        kept = float(scheduler.alphas_cumprod[int(timestep)])
        return Level(timestep / steps, math.sqrt(kept), math.sqrt(1 - kept))
    sigma = sigmas[index]
    if hasattr(scheduler, "_sigma_to_alpha_sigma_t"):
        alpha, sigma = scheduler._sigma_to_alpha_sigma_t(torch.as_tensor(sigma))
        return Level(timestep / steps, float(alpha), float(sigma))
    flows = type(scheduler).__name__.startswith("FlowMatch")
    return Level(timestep / steps, 1 - float(sigma) if flows else 1.0, float(sigma))


def clean_estimate(kind: str, answer: Tensor, x_t: Tensor, level: Level) -> Tensor:
    """x_hat from a network's answer, where `alpha^2 + sigma^2` is 1, the signal is left as it is, or a flow."""
    alpha, sigma = float(level.alpha), float(level.sigma)
    norm = math.hypot(alpha, sigma)
    match kind:
        case "epsilon":
            return (x_t - sigma * answer) / max(alpha, 1e-12)
        case "v_prediction":
            return (alpha * x_t / norm - sigma * answer) / norm
        case "flow_prediction":
            return x_t - sigma * answer
        case _:
            return answer


def kind_of(scheduler: Any) -> str:
    """What a network under this scheduler predicts."""
    if type(scheduler).__name__.startswith("FlowMatch"):
        return "flow_prediction"
    return str(scheduler.config.get("prediction_type", "epsilon"))


def settle(walk: Walk, scheduler: Any, timestep: Any) -> None:
    """Let the levels begin at the walk's first timestep.

    `strength` and `denoising_start` leave timesteps out after they are set. A network may be told one per sample or
    site; where it is told something else, the levels stay.
    """
    t = float(torch.as_tensor(timestep).max()) / int(scheduler.config.num_train_timesteps)
    first = next((i for i, level in enumerate(walk.levels[:-1]) if level.t == t), 0)
    walk.levels = walk.levels[first:]


def _tell(walk: Walk, scheduler: Any, args: tuple[Any, ...], given: dict[str, Any], after: Tensor) -> None:
    if walk.on_step is None:
        return
    named = dict(zip(("model_output", "timestep", "sample"), args, strict=False)) | given
    answer, x_t, level = named["model_output"], named["sample"], walk.levels[walk.index]
    answer = answer[:, : x_t.shape[1]] if answer.ndim == x_t.ndim else answer  # a learned variance comes after it
    answer = -answer if given.get("per_token_timesteps") is not None else answer  # LTX answers with the other sign
    x_hat = clean_estimate(kind_of(scheduler), answer, x_t, level)
    walk.on_step(Step(walk.index, len(walk.levels) - 1, level, walk.view(x_t), walk.view(x_hat), walk.view(after)))


def first_below(levels: list[Level], std: float | None) -> int:
    """The index of the first step that starts below a level; the last step where none does."""
    if std is None:
        return 0
    return next((i for i, level in enumerate(levels[:-1]) if _below(level, std)), len(levels) - 2)


def _below(level: Level, std: float) -> bool:
    return float(level.std) < std * (1 - TOLERANCE)


def _remembered(scheduler: Any) -> dict[str, Any]:
    """What a scheduler keeps from step to step."""
    kept = {name: value for name, value in vars(scheduler).items() if name not in _FIXED and not callable(value)}
    return {name: list(value) if isinstance(value, list) else value for name, value in kept.items()}


_FIXED = ("timesteps", "sigmas", "_begin_index", "config", "_internal_dict", "num_inference_steps")
