"""Rehearses a stage on tensors that have shapes and no memory: the real code, followed operation by operation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor, nn

from dynaxx.errors import DynaxxError, RunError
from dynaxx.noise.denoiser import Condition, Input
from dynaxx.noise.level import Level
from dynaxx.plan.echo import Echo, Echoes
from dynaxx.plan.growth import BATCH, Scale
from dynaxx.plan.kernels import RealKernels, recomputed
from dynaxx.plan.profile import Part, Profile
from dynaxx.plan.stand_in import DRAWS, META, StandIn, tensors_of
from dynaxx.plan.tracker import Tracker
from dynaxx.spec.condition import ConditionSpec
from dynaxx.spec.graph import Node
from dynaxx.spec.stage import DenoisingStage, StageSpec
from dynaxx.spec.training import TrainingSpec
from dynaxx.stage.build import build_bare
from dynaxx.stage.denoise import run_denoiser
from dynaxx.stage.diffusion import Diffusion
from dynaxx.stage.empirical import Empirical
from dynaxx.stage.gaussian import Gaussian
from dynaxx.stage.layout import lay_out
from dynaxx.stage.regression import Regression
from dynaxx.stage.stage import Request, Stage
from dynaxx.stage.streaming import follow_blocks

Mode = Literal["sample", "train", "stream"]
"""`stream` samples with weights that come to a device of its own block by block."""
Exact = Gaussian | Empirical
Evaluated = Diffusion | Gaussian | Empirical
"""Stages whose walk evaluates one and the same thing again and again."""
STEPS = 3
"""A first step, one between, and a last one: what all walks are made of."""


def rehearse(node: Node, asks: ConditionSpec, scale: Scale, *, mode: Mode, stage: Stage | None = None) -> Profile:
    """The profile of one stage; `stage` stands in for kinds that cannot be built from their spec alone.

    Raises:
        RunError: if the stage cannot be followed without real tensors.
    """
    given = StandIn(node, asks, scale)
    try:
        found = stage or build_bare(node, asks, given.grid)
        if mode == "train":
            return _trained(found, given)
        if mode == "stream":
            return _streamed(found, given)
        profile = _sampled(found, given)
        if isinstance(found, Evaluated) and sometimes_guided(node.stage):  # outside the interval one copy is seen
            plain = replace(node, stage=_unguided(node.stage))
            alone = _sampled(stage or build_bare(plain, asks, given.grid), StandIn(plain, asks, scale))
            profile = replace(profile, evaluations={**alone.evaluations, **profile.evaluations})
        return profile
    except DynaxxError:
        raise
    except (RuntimeError, NotImplementedError, TypeError, ValueError, AttributeError, IndexError) as error:
        said = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        fix = "Measure it: `dynaxx sample` writes its time and memory to the trace."
        raise RunError(f"stage {node.stage.name!r}", f"cannot be rehearsed ({said}).", fix) from error


def _streamed(stage: Stage, given: StandIn) -> Profile:
    """A walk whose blocks come ahead, as they do once a walk before it has shown their order."""
    assert isinstance(stage, Diffusion | Regression)
    first, second = Tracker(given.scale), Tracker(given.scale)
    now = [first]
    follow_blocks(stage.network, lambda sizes, sign: now[0].moved(sizes, sign))
    denoiser = stage.denoiser if isinstance(stage, Diffusion) else None
    _walked(stage, given, first, ())
    if isinstance(stage, Diffusion) and denoiser is not None:
        stage.denoiser = denoiser
    now[0] = second
    return _walked(stage, given, second, ())


def _sampled(stage: Stage, given: StandIn) -> Profile:
    return _walked(stage, given, Tracker(given.scale), _weights(stage))


def _walked(stage: Stage, given: StandIn, tracker: Tracker, weights: Sequence[torch.Tensor]) -> Profile:
    """A walk of three steps beside weights that stay."""
    inputs, condition = given.inputs(), given.condition()
    for x in (*weights, *tensors_of(inputs, condition)):
        tracker.hold(x)
    exact = isinstance(stage, Exact)
    echoes = Echoes(tracker, passed=1 if exact else 0)
    request = Request(
        spec=_short(given.node.stage), grid=given.grid, inputs=inputs, condition=condition, draws=DRAWS,
        device=META, on_step=lambda step: tracker.mark(),
    )  # fmt: skip
    with torch.no_grad(), RealKernels(), tracker:
        answer = _run(stage, request, echoes)
    tracker.hold(answer)
    tracker.mark()
    if exact:  # what is left of the first evaluation makes tables
        tracker.parts[0] -= sum(echoes.ops.values(), Counter())
    evaluations: dict[int, Part] = {rows // BATCH: ops for (rows, _), ops in echoes.ops.items()}
    return _profile(tracker, weights, tracker.parts, evaluations)


def _run(stage: Stage, request: Request, echoes: Echoes) -> Tensor:
    """The stage's run, with echoes in the place of what it evaluates at every step: a network, or an exact answer."""
    if isinstance(stage, Exact):
        assert isinstance(request.spec, DenoisingStage)
        answer = stage.denoiser(request.grid)

        def denoise(x_t: Tensor, level: Level, inputs: Mapping[str, Input], condition: Condition) -> Tensor:
            x_hat: Tensor = echoes.of((len(x_t), None), lambda: answer(x_t, level, inputs, condition))
            return x_hat

        return run_denoiser(request.spec, denoise, request)
    if isinstance(stage, Diffusion):
        stage.denoiser = replace(stage.denoiser, network=Echo(stage.denoiser.network, echoes))
    return stage.run(request)


def sometimes_guided(spec: StageSpec) -> bool:
    """Whether a walk may have evaluations with guidance and others without."""
    guidance = spec.solver.guided if isinstance(spec, DenoisingStage) else None
    return guidance is not None and guidance.scale not in (0, 1) and guidance.interval is not None


def _unguided(spec: StageSpec) -> StageSpec:
    assert isinstance(spec, DenoisingStage)
    return spec.model_copy(update={"solver": spec.solver.model_copy(update={"guidance": 1.0})})


def _short(spec: StageSpec) -> StageSpec:
    """The stage with a walk of three steps. A process is not shifted to the size of a rehearsal, which no grid has."""
    if not isinstance(spec, DenoisingStage):
        return spec
    process = spec.process
    if getattr(process, "reference", None) is not None:
        process = process.model_copy(update={"reference": None})
    solver = spec.solver.model_copy(update={"steps": STEPS, "guidance": spec.solver.guided.scale})
    return spec.model_copy(update={"process": process, "solver": solver})


def _trained(stage: Stage, given: StandIn) -> Profile:
    """Loss and gradients of one step, with the optimiser's moments and the average of the weights beside them.

    Parts that accumulate are alike but for the first, which finds no gradients to add to: two show all.
    """
    assert isinstance(stage, Diffusion | Regression)
    train, network = stage.spec.train or TrainingSpec(), stage.network
    lay_out(network, given.node.grid.size, META, as_on=torch.device("cpu"))
    network.train()
    if train.gradient_checkpointing:
        network.enable_gradient_checkpointing(recomputed)  # type: ignore[operator]
    tracker, weights = Tracker(given.scale), _weights(stage)
    copies = 2 + (train.ema is not None)
    beside = [torch.empty_like(p) for p in network.parameters() for _ in range(copies)]
    x, t = torch.zeros(BATCH, *given.grid.shape, device=META), torch.zeros(BATCH, device=META)
    eps, inputs, condition = torch.zeros_like(x), given.inputs(), given.condition()
    for held in (*weights, *beside, x, t, eps, *tensors_of(inputs, condition)):
        tracker.hold(held)
    with RealKernels(), tracker:
        for _ in range(min(train.accumulate, 2)):
            if isinstance(stage, Diffusion):
                losses = stage.loss(x, t, eps, inputs, condition)
            else:
                losses = stage.loss(x, inputs, condition)
            losses.mean().backward()
            del losses
            tracker.mark()
    return _profile(tracker, weights, tracker.parts, {})


def _weights(stage: Stage) -> list[torch.Tensor]:
    network = getattr(stage, "network", None)
    return [*network.parameters(), *network.buffers()] if isinstance(network, nn.Module) else []


def _profile(
    tracker: Tracker, weights: Sequence[torch.Tensor], parts: Sequence[Part], evaluations: Mapping[int, Part]
) -> Profile:
    held = sum(w.numel() * w.itemsize for w in weights)
    parameters = sum(w.numel() for w in weights if isinstance(w, nn.Parameter))
    tracker.heights.tensors.add(tracker.held())
    return Profile(tracker.scale, parameters, held, tracker.heights.undominated(), tuple(parts), evaluations)
