"""Rehearses a wrapped pipeline: its own loop, scheduler and decoding, on networks that have shapes and no memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dynaxx.noise.denoiser import Input
from dynaxx.plan.echo import Echoes, echoed
from dynaxx.plan.growth import BATCH, Scale, Terms, per_sample
from dynaxx.plan.heights import Heights
from dynaxx.plan.kernels import RealKernels
from dynaxx.plan.memoryless import META, Memoryless
from dynaxx.plan.profile import Profile
from dynaxx.plan.tracker import OpKey, Tracker
from dynaxx.signal.random import Draws
from dynaxx.spec.facts import ENCODERS, NETWORKS, Facts
from dynaxx.spec.graph import Node
from dynaxx.spec.stage import PipelineStage
from dynaxx.stage.condition import Condition
from dynaxx.stage.pipeline.blank import blank_stage, quiet
from dynaxx.stage.pipeline.wrapped import Wrapped
from dynaxx.stage.stage import Request
from dynaxx.stage.streaming import follow_blocks, streams

Passes = dict[int, int]
"""How often networks are evaluated, by how many copies of the batch they are given."""


def foreign_walk(
    node: Node, root: Path | None, facts: Facts, parts: Mapping[str, nn.Module], *, streamed: bool = False
) -> tuple[Profile, Passes]:
    """The profile of a call of the node's pipeline with `parts`, and the evaluations of its networks.

    A family that takes one sample a call is called with one: its work grows with the batch, its peak does not. Where it
    is `streamed`, blocks of the networks come as they do in calls after a first one, and weights are those that stay.

    Raises:
        RunError: if the pipeline refuses what it is called with, or asks for what tensors without memory lack.
    """
    assert isinstance(node.stage, PipelineStage)
    alone = facts.family is not None and facts.family.single
    batch, size = 1 if alone else BATCH, node.grid.size
    stage = blank_stage(node.stage, root, facts, parts, hands=node.stop_std is not None)
    request = Request(
        spec=stage.spec, grid=node.grid, inputs=_inputs(node, batch), condition=Condition(("",) * batch),
        draws=Draws(0, "rehearsal", tuple(range(batch))), device=META, stop_std=node.stop_std,
    )  # fmt: skip
    scale, networks = Scale(len(size), 1, fixed=size), _networks(stage.pipe)
    moved = [network for network in networks.values() if streamed and streams(network)]
    now = [Tracker(scale)]
    for network in moved:
        follow_blocks(network, lambda sizes, sign: now[-1].moved(sizes, sign))
    if moved:
        _called(stage, request, networks, now[-1])  # shows in which order blocks are called
        now.append(Tracker(scale))
    tracker, held = now[-1], _held(stage.pipe, now[-1], moved)
    echoes, answer = _called(stage, request, networks, tracker)
    tracker.heights.add(_encoders(parts, tracker.scale) if facts.family else Heights())
    work, heights = _work(tracker, echoes), tracker.heights
    if alone:
        work = {
            (kind, shape, per_sample(flops), per_sample(traffic)): n
            for (kind, shape, flops, traffic), n in work.items()
        }
        heights = _gathered(heights, held, answer)
    parameters = sum(p.numel() for part in parts.values() for p in part.parameters())
    found = Profile(tracker.scale, parameters, held, heights.undominated(), (work,), dtype=node.stage.dtype)
    return found, _passes(echoes, batch)


def _networks(pipe: Any) -> dict[str, nn.Module]:
    return {name: network for name in NETWORKS if (network := getattr(pipe, name, None)) is not None}


def _called(
    stage: Wrapped, request: Request, networks: Mapping[str, nn.Module], tracker: Tracker
) -> tuple[Echoes, Tensor]:
    """A call that is followed, with echoes in the networks' places while it lasts."""
    echoes, plain = Echoes(tracker), {name: network.forward for name, network in networks.items()}
    try:
        for name, network in networks.items():
            echoed(network, name, echoes)
        with quiet(), torch.no_grad(), RealKernels(), tracker, Memoryless():
            answer = stage.run(request)
    finally:
        for name, network in networks.items():
            network.forward = plain[name]
    return echoes, answer


def _held(pipe: Any, tracker: Tracker, moved: Sequence[nn.Module]) -> int:
    """Bytes of the weights that are there during the whole call."""
    modules = [part for part in pipe.components.values() if isinstance(part, nn.Module) and part not in moved]
    for x in (x for module in modules for x in (*module.parameters(), *module.buffers())):
        tracker.hold(x)
    return sum(p.numel() * p.itemsize for module in modules for p in module.parameters())


def _inputs(node: Node, batch: int) -> dict[str, Input]:
    """Signals of the run, as large as one tile of them; what holds them is counted where they were made."""
    found, tile = {}, node.stage.tile
    for name, given in node.inputs.items():
        *before, height, width = given.grid.shape
        sides = (min(tile or side, side) for side in (height, width))
        x = torch.zeros(batch, *before, *sides, device=META)
        found[name] = Input(x, x, std=given.edge.level or 0.0)
    return found


def _work(tracker: Tracker, echoes: Echoes) -> Mapping[OpKey, int]:
    """All operations: those around the networks, and each evaluation's as often as it was asked for."""
    found = Counter(tracker.ops)
    for kind, ops in echoes.ops.items():
        for key, n in ops.items():
            found[key] += n * echoes.times[kind]
    return found


def _passes(echoes: Echoes, batch: int) -> Passes:
    found: Counter[int] = Counter()
    for (rows, _), times in echoes.times.items():
        found[rows // batch] += times
    return dict(found)


def _encoders(parts: Mapping[str, nn.Module], scale: Scale) -> Heights:
    """Encoders are let go of before the network works; where they are larger, they are the peak."""
    alone = Tracker(scale)
    for x in (x for name, part in parts.items() if name in ENCODERS for x in (*part.parameters(), *part.buffers())):
        alone.hold(x)
    return Heights({alone.held()})


def _gathered(heights: Heights, weights: int, answer: Tensor) -> Heights:
    """Peaks where samples come one by one: beside the last are the others' answers, and all when they are joined."""
    own = answer.numel() * answer.itemsize
    joined: Terms = (((0,), weights), ((1,), 2 * own))
    beside = heights.raised((((0,), -own), ((1,), own)))
    return Heights(beside.tensors | {joined}, beside.at_work)
