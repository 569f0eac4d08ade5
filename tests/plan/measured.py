"""The truth that plans are held against: real stages and real tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from dynaxx.noise.denoiser import Input
from dynaxx.signal.random import Draws
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.graph import Node
from dynaxx.stage.build import build_stages
from dynaxx.stage.condition import encode
from dynaxx.stage.stage import Request


def request(spec: CascadeSpec, node: Node, batch: int) -> Request:
    """A batch of random inputs for one node."""
    prompts = ["a red apple"] * batch if spec.condition.text else None
    inputs = {
        name: Input(x := torch.randn(batch, given.grid.channels, *node.grid.size), x, std=given.edge.std)
        for name, given in node.inputs.items()
    }
    condition = encode(spec.condition, prompts=prompts, count=batch)
    return Request(node.stage, node.grid, inputs, condition, Draws(0, node.name, tuple(range(batch))))


def sampled(spec: CascadeSpec, node: Node, batch: int) -> Callable[[], Any]:
    """Building a stage and sampling from it."""

    def run() -> Any:
        return build_stages(spec, [node], fresh=True)[node.stage.name].run(request(spec, node, batch))

    return run


def trained(spec: CascadeSpec, node: Node, batch: int) -> Callable[[], Any]:
    """Building a stage and two steps of its training."""
    from dynaxx.train.fit import losses_of
    from dynaxx.train.fitting import Fitting
    from dynaxx.train.machine import Machine
    from dynaxx.train.pairs import Batch

    def run() -> Any:
        stage: Any = build_stages(spec, [node], fresh=True)[node.stage.name]
        fitting = Fitting(stage, Machine(torch.device("cpu")))
        stage.network.train()
        asked, x = request(spec, node, batch), torch.randn(batch, *node.grid.shape)
        pairs = Batch(x, torch.rand(batch), torch.randn_like(x), asked.inputs, asked.condition, ("",) * batch)
        for _ in range(2):
            for _ in range(fitting.train.accumulate):
                losses_of(stage, pairs).mean().backward()
            fitting.optimiser.clip()
            fitting.optimiser.step(1e-3)
            fitting.ema.update(batch, batch)

    return run
