"""What a wrapped pipeline takes, from its configuration files alone: its parts, and an evaluation of its network."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any, final

import torch
from torch import nn

from dynaxx.errors import RunError
from dynaxx.noise.level import Level
from dynaxx.plan.growth import BATCH, Scale
from dynaxx.plan.heights import Heights
from dynaxx.plan.kernels import RealKernels
from dynaxx.plan.profile import Profile
from dynaxx.plan.tracker import Tracker
from dynaxx.plan.workspace import block
from dynaxx.spec.facts import ENCODERS, NETWORKS, Facts, facts_of
from dynaxx.spec.graph import Node
from dynaxx.spec.grid import PIXELS
from dynaxx.spec.stage import PipelineStage
from dynaxx.stage.pipeline.bare import bare_part, call_default, evaluation
from dynaxx.stage.pipeline.bare_walk import bare_levels
from dynaxx.stage.pipeline.guided import Guidance
from dynaxx.store.cache import cache_folder, recall, remember

FORMAT = 4
"""Of what is kept; raised whenever what is found changes."""
COUNTED = (*NETWORKS, *ENCODERS, "vae")
"""Parts with weights; safety checkers and the like are not asked of."""
REHEARSED = "UNet2DConditionModel"
MEASURE = "Measure it: `dynaxx sample` writes its time and memory to the trace."
_kept: dict[str, Wrapped] = {}


@final
@dataclass(frozen=True)
class Wrapped:
    """A pipeline's profile, its network's evaluations by copies of the batch, and the parameters of its parts.

    A part whose configuration is not in the folder has None. Weights and peaks are in the stage's number format; text
    encoders are let go of before the network works.
    """

    profile: Profile
    passes: Mapping[int, int]
    parts: Mapping[str, int | None]


def wrapped(node: Node, root: Path | None) -> Wrapped:
    """What a node of a wrapped pipeline takes, kept by content.

    Raises:
        RunError: if its files are not on this machine, or its network is of a kind that is not rehearsed.
        DataError: if a configuration file is damaged.
        SpecError: if a part refuses its configuration.
    """
    stage = node.stage
    assert isinstance(stage, PipelineStage)
    where, facts = f"stage {stage.name!r}", facts_of(stage, root)
    if facts is None:
        fix = "Name a folder with its configuration files; no weights are needed."
        raise RunError(where, f"nothing is known of {stage.load!r}: it is not on this machine.", fix)
    key = _key(node, stage, facts)
    if key not in _kept:
        place = cache_folder("wrapped", f"{key}.json")
        if (data := recall(place)) is not None:
            passes = {copies: times for copies, times in data["passes"]}
            _kept[key] = Wrapped(Profile.from_json(data["profile"]), passes, data["parts"])
        else:
            found = _kept[key] = _rehearsed(node, stage, facts, where)
            plain = {"profile": found.profile.to_json(), "passes": list(found.passes.items()), "parts": found.parts}
            remember(place, plain)
    return _kept[key]


def evaluations_of(stage: PipelineStage, root: Path | None) -> int | None:
    """Its network's evaluations for one sample, a guided one counted as two; None where nothing is known of it."""
    facts = facts_of(stage, root)
    return None if facts is None else sum(copies * times for copies, times in _passes(stage, facts).items())


def _key(node: Node, stage: PipelineStage, facts: Facts) -> str:
    low = stage.inputs.get("low")
    said = (
        FORMAT, torch.__version__, version("diffusers"), torch.get_num_threads(), block(), node.grid.size,
        node.grid.space, stage.dtype, stage.call, stage.guidance_interval,
        (low.via, low.hand) if low else None, facts.pipeline, facts.index, facts.parts,
    )  # fmt: skip
    return blake2b(json.dumps(said, sort_keys=True, default=str).encode(), digest_size=12).hexdigest()


def _rehearsed(node: Node, stage: PipelineStage, facts: Facts, where: str) -> Wrapped:
    dtype = getattr(torch, stage.dtype)
    named = [name for name in COUNTED if isinstance(facts.index.get(name), list) and facts.index[name][0] is not None]
    made = {name: _made(facts, name, where) for name in named}
    there = {name: nn.Module.to(part, dtype) for name, part in made.items() if part is not None}
    counts = {name: _count(made[name]) for name in named}
    network = there.get(facts.network or "")
    if network is None or type(network).__name__ != REHEARSED:
        what = "no network" if network is None else f"a {type(network).__name__}"
        said = ", ".join(f"{name} {count:,}" for name, count in counts.items() if count is not None)
        problem = f"it has {what}, which cannot be rehearsed yet (parameters: {said or 'not known'})."
        raise RunError(where, problem, MEASURE)
    vae = there.get("vae")
    try:
        profile = _profile(network, vae, node, facts, there)
    except (RuntimeError, NotImplementedError, TypeError, ValueError, AttributeError, IndexError) as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise RunError(where, f"its network cannot be rehearsed ({said}).", MEASURE) from error
    return Wrapped(replace(profile, dtype=stage.dtype), _passes(stage, facts), counts)


def _made(facts: Facts, name: str, where: str) -> nn.Module | None:
    return bare_part(facts.index[name], facts.parts[name], f"{where}, {name}") if name in facts.parts else None


def _count(part: nn.Module | None) -> int | None:
    return None if part is None else sum(p.numel() for p in part.parameters())


def _profile(
    network: nn.Module, vae: nn.Module | None, node: Node, facts: Facts, parts: Mapping[str, nn.Module]
) -> Profile:
    """One evaluation, for a batch and for two of it side by side, as under guidance; then what decodes the answer."""
    pixels, factor = node.grid.space == PIXELS, facts.spatial_factor or 1
    size = tuple(side // factor for side in node.grid.size) if pixels and vae is not None else node.grid.size
    decodes = vae is not None and pixels
    held = [one for one in (network, vae) if one is not None]
    scale = Scale(len(node.grid.size), 1, fixed=node.grid.size, like=node.grid.size)
    evaluations, heights, after = {}, Heights(), None
    for copies in (1, 2):
        tracker = _tracker(scale, held)
        _run(tracker, evaluation(network, copies * BATCH, size))
        evaluations[copies] = tracker.ops
        heights.add(tracker.heights)
    if decodes:
        assert vae is not None
        tracker = _tracker(scale, held)
        _run(tracker, _decoding(vae, size))
        after = tracker.ops
        heights.add(tracker.heights)
    encoders = [part for name, part in parts.items() if name in ENCODERS]
    alone = _tracker(scale, encoders)
    heights.tensors.add(alone.held())
    every = [p for part in parts.values() for p in part.parameters()]
    weights = sum(p.numel() * p.itemsize for one in held for p in one.parameters())
    return Profile(
        scale, sum(p.numel() for p in every), weights, heights.undominated(), (after,) if after else (), evaluations
    )  # fmt: skip


def _tracker(scale: Scale, held: Sequence[nn.Module]) -> Tracker:
    tracker = Tracker(scale)
    for part in held:
        for x in (*part.parameters(), *part.buffers()):
            tracker.hold(x)
    return tracker


def _run(tracker: Tracker, call: Callable[[], object]) -> None:
    with torch.no_grad(), RealKernels(), tracker:
        call()
    tracker.heights.tensors.add(tracker.held())


def _decoding(vae: Any, size: tuple[int, ...], *, batch: int = BATCH) -> Callable[[], object]:
    like = next(vae.parameters())
    latents = like.new_zeros(batch, vae.config["latent_channels"], *size)
    return lambda: vae.decode(latents, return_dict=False)


def _said(stage: PipelineStage, facts: Facts, argument: str) -> Any:
    return stage.call[argument] if argument in stage.call else call_default(facts.pipeline, argument)


def _passes(stage: PipelineStage, facts: Facts) -> dict[int, int]:
    """The network's evaluations by copies of the batch; all steps are guided where their levels are not known."""
    copies, steps = _copies(stage, facts), _steps(stage, facts)
    levels = _levels(stage, facts) if copies == 2 and stage.guidance_interval is not None else None
    if levels is None:
        return {copies: steps}
    skips = stage.call.get("denoising_start")
    first = round(len(levels) * skips) if isinstance(skips, float) else len(levels) - steps if _shared(stage) else 0
    guidance = Guidance(stage.guidance_interval)
    guided = sum(guidance.on(level) for level in levels[first : first + steps])
    return {times: count for times, count in ((2, guided), (1, steps - guided)) if count}


def _levels(stage: PipelineStage, facts: Facts) -> list[Level] | None:
    kind = stage.scheduler.get("kind") or (facts.index.get("scheduler") or ("", ""))[1]
    steps = int(_said(stage, facts, "num_inference_steps") or 1)
    return bare_levels(str(kind), facts.parts.get("scheduler", {}), steps)


def _shared(stage: PipelineStage) -> bool:
    """Whether the walk may begin at its low input."""
    low = stage.inputs.get("low")
    return low is not None and low.via == "start" and low.hand != "noisy"


def _copies(stage: PipelineStage, facts: Facts) -> int:
    """Under guidance the network is given every sample twice."""
    scale = _said(stage, facts, "guidance_scale")
    return 2 if isinstance(scale, (int, float)) and scale > 1 else 1


def _steps(stage: PipelineStage, facts: Facts) -> int:
    """Evaluations of the walk: its steps, and the share of them that the call says; all where a level parts it.

    One evaluation a step is counted, as most schedulers take; a strength is rounded down, as diffusers does.
    """
    steps, family = int(_said(stage, facts, "num_inference_steps") or 1), facts.family
    found = steps
    if family is not None and family.start and _shared(stage):
        strength = _said(stage, facts, family.start)
        found = steps if strength is None else int(steps * float(strength))
    if family is not None and family.fraction:
        call: Mapping[str, Any] = stage.call
        begin, end = call.get("denoising_start"), call.get("denoising_end")
        span = (1.0 if end is None else float(end)) - (0.0 if begin is None else float(begin))
        found = min(found, round(steps * span))
    return max(1, found)
