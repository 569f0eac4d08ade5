"""The sampling loop that every denoising stage shares, trained or exact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count

from torch import Tensor

from dynaxx.errors import SpecError
from dynaxx.noise.denoiser import Denoise, Denoiser, Input
from dynaxx.noise.guide import Clipped, Guided
from dynaxx.noise.level import Level
from dynaxx.noise.process import Process, make_process
from dynaxx.noise.solve import make_solver
from dynaxx.noise.solve.step import Noise, Step
from dynaxx.spec.edge import EdgeSpec
from dynaxx.spec.solver import SolverSpec
from dynaxx.spec.stage import BaseStage, DenoisingStage
from dynaxx.stage.stage import Request


def run_denoiser(spec: DenoisingStage, denoiser: Denoiser, request: Request) -> Tensor:
    """Walk from noise, or from the `start` input, to the answer of shape `(B, C, *size)`.

    The solver's state is `y = x_t - beta U(low) = alpha x + sigma eps`; the denoiser and the reported steps see
    x_t itself, which differs only where beta > 0 (truncated). With `request.stop_std` the unfinished state is
    handed on as `y / alpha = x + std eps`, the form in which any process can take it up at the same std.

    Raises:
        SpecError: if denoising is to start at an input without noise, or a truncated process has no low input.
    """
    process = make_process(spec.process, request.grid)
    start, beside = split_inputs(spec, request.inputs)
    if process.form == "truncated" and "low" not in beside:
        raise SpecError(f"stage {spec.name!r}", "has a truncated process but no input `low`.", "Give it `from: ...`.")
    levels = _levels(spec, process, start, request)
    noise = _noise(request)
    state = noise(-1) * levels[0].sigma if start is None else _begin(start, request) * levels[0].alpha
    denoise = _bind(guided(denoiser, spec.solver), beside, request)
    for step in make_solver(spec.solver)(denoise, state, levels, noise):
        state = step.x_next
        if request.on_step:
            request.on_step(_shown(step, levels, beside))
    alpha = levels[-1].alpha
    return state if alpha == 1 else state / alpha


def guided(denoiser: Denoiser, solver: SolverSpec) -> Denoiser:
    """The denoiser with the solver's guidance and clipping around it, where they do anything."""
    guidance = solver.guided
    if guidance.scale != 1:
        denoiser = Guided(denoiser, guidance.scale, guidance.interval)
    return denoiser if solver.clip == "none" else Clipped(denoiser, solver.clip)


def starts(edge: EdgeSpec) -> bool:
    """Whether denoising begins at this input; it then does not stand beside x_t."""
    return edge.via == "start" or edge.hand == "noisy"


def split_inputs(spec: BaseStage, inputs: Mapping[str, Input]) -> tuple[str | None, dict[str, Input]]:
    """The name of the input that denoising begins at, if any, and the inputs that stand beside x_t."""
    names = [name for name, edge in spec.inputs.items() if starts(edge) and name in inputs]
    if len(names) > 1:
        raise SpecError(f"stage {spec.name!r}", f"starts at {len(names)} inputs: {', '.join(names)}.", "Keep one.")
    beside = {name: value for name, value in inputs.items() if name not in names}
    return (names[0] if names else None), beside


def _levels(spec: DenoisingStage, process: Process, start: str | None, request: Request) -> Sequence[Level]:
    start_std = None if start is None else _start_std(spec, start, request)
    solver = spec.solver
    return process.levels(solver.steps, spacing=solver.spacing, start_std=start_std, stop_std=request.stop_std)


def _start_std(spec: DenoisingStage, name: str, request: Request) -> float:
    """The level of the start input: told by the input itself, else by its edge."""
    edge, told = spec.inputs[name], request.inputs[name].std
    told = float(told.max()) if isinstance(told, Tensor) else told
    std = told or edge.hand_std or edge.std
    if not std:
        fix = f"Set inputs.{name}.noise.std, or hand_std with `hand: noisy`."
        raise SpecError(f"stage {spec.name!r}", f"starts at {name!r} at std 0, so nothing is left to denoise.", fix)
    return std


def _begin(name: str, request: Request) -> Tensor:
    """The start input as `x + std eps`, whatever form its noise was put on in."""
    given = request.inputs[name]
    return given.x.to(request.device, request.dtype) / given.alpha


def _noise(request: Request) -> Noise:
    """Standard normal noise: for step i >= 0 the solver's, for -1 what the walk starts from."""

    def normal(step: int) -> Tensor:
        purpose, draw = ("start", 0) if step < 0 else ("step", step)
        shape, device, dtype = request.grid.shape, request.device, request.dtype
        return request.draws.normal(purpose, shape, draw=draw, device=device, dtype=dtype)

    return normal


def _bind(denoiser: Denoiser, inputs: Mapping[str, Input], request: Request) -> Denoise:
    """The denoiser with inputs and condition bound; inputs that redraw their noise do so per evaluation."""
    evaluations = count()

    def denoise(state: Tensor, level: Level) -> Tensor:
        evaluation = next(evaluations)
        now = {name: value.at(evaluation) for name, value in inputs.items()}
        return denoiser(with_low(state, level, now), level, now, request.condition)

    return denoise


def with_low(state: Tensor, level: Level, inputs: Mapping[str, Input]) -> Tensor:
    """`x_t = y + beta U(low)`."""
    return state + level.beta * inputs["low"].x if _truncated(level) else state


def without_low(x_t: Tensor, level: Level, inputs: Mapping[str, Input]) -> Tensor:
    """`y = x_t - beta U(low)`, the inverse of `with_low`."""
    return x_t - level.beta * inputs["low"].x if _truncated(level) else x_t


def _truncated(level: Level) -> bool:
    return isinstance(level.beta, Tensor) or level.beta != 0


def _shown(step: Step, levels: Sequence[Level], inputs: Mapping[str, Input]) -> Step:
    """The step with `beta U(low)` added back to its states."""
    here, there = levels[step.index], levels[step.index + 1]
    if not (here.beta or there.beta):
        return step
    return replace(step, x_t=with_low(step.x_t, here, inputs), x_next=with_low(step.x_next, there, inputs))
