"""Whole networks that are timed once on a machine: what the sum of operations leaves out, they show."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, final

import torch

from dynaxx.noise.denoiser import Input
from dynaxx.plan.growth import Scale
from dynaxx.plan.profile import Profile
from dynaxx.plan.rehearse import Mode, rehearse
from dynaxx.plan.time.shapes import Shape, shapes
from dynaxx.plan.walk import evaluations
from dynaxx.signal.random import Draws
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.files import parse
from dynaxx.spec.graph import Node, nodes
from dynaxx.spec.stage import DiffusionStage
from dynaxx.spec.training import TrainingSpec
from dynaxx.stage.build import build_stages
from dynaxx.stage.condition import encode
from dynaxx.stage.diffusion import Diffusion
from dynaxx.stage.layout import lay_out
from dynaxx.stage.stage import Request

STEPS = 2


@final
@dataclass(frozen=True)
class Trial:
    """One network in one mode: its profile, and the work to be timed."""

    mode: Mode
    profile: Profile
    batch: int
    size: tuple[int, ...]
    work: Any
    run: Callable[[], object]


def trials(device: torch.device) -> Iterator[Trial]:
    """Every network, sampled and trained, without end."""
    for shape in shapes():
        spec = _spec(shape)
        node = nodes(spec)[0]
        yield _sampled(spec, node, shape.batch, device)
        yield _trained(spec, node, shape.batch, device)


def _spec(shape: Shape) -> CascadeSpec:
    width, mults, attention, blocks = shape.width, list(shape.mults), list(shape.attention), shape.blocks
    network = {"width": width, "mults": mults, "blocks": blocks, "attention": attention}
    out = {"size": list(shape.size)}
    stage = {"name": "s", "role": "base", "network": network, "solver": {"steps": STEPS}, "out": out}
    return parse({"name": "trial", "condition": {"text": {}} if shape.text else {}, "stages": [stage]})


def profile(spec: CascadeSpec, node: Node, mode: Mode) -> Profile:
    """What the network's operations are."""
    size = node.grid.size
    return rehearse(node, spec.condition, Scale(len(size), 1, fixed=size), mode=mode)


def _sampled(spec: CascadeSpec, node: Node, batch: int, device: torch.device) -> Trial:
    found = profile(spec, node, "sample")
    stage = build_stages(spec, [node], fresh=True)[node.stage.name]
    stage.to(device)
    asked = encode(spec.condition, count=batch).to(device)
    draws = Draws(0, "trial", tuple(range(batch)))
    request = Request(node.stage, node.grid, dict[str, Input](), asked, draws, device)
    work = found.work(STEPS, evaluations(node))
    return Trial("sample", found, batch, node.grid.size, work, lambda: stage.run(request))


def _trained(spec: CascadeSpec, node: Node, batch: int, device: torch.device) -> Trial:
    assert isinstance(node.stage, DiffusionStage)
    found = profile(spec, node, "train")
    stage = build_stages(spec, [node], fresh=True)[node.stage.name]
    assert isinstance(stage, Diffusion)
    lay_out(stage.network, node.grid.size, device)
    stage.network.train()
    parameters = list(stage.network.parameters())
    average = [p.detach().clone() for p in parameters]
    optimiser = torch.optim.AdamW(parameters, lr=TrainingSpec().optimizer.lr, fused=True)
    asked = encode(spec.condition, count=batch).to(device)
    x, t = torch.zeros(batch, *node.grid.shape, device=device), torch.full((batch,), 0.5, device=device)

    def step() -> None:
        stage.loss(x, t, torch.ones_like(x), {}, asked).mean().backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        optimiser.zero_grad()
        with torch.no_grad():
            torch._foreach_lerp_(average, [p.detach() for p in parameters], 0.1)

    return Trial("train", found, batch, node.grid.size, found.parts[0], step)
