"""Random stages, and real work with them: what a plan is held against."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from dynaxx.noise.denoiser import Input
from dynaxx.plan.profiles import profile_of
from dynaxx.plan.walk import evaluations
from dynaxx.signal.random import Draws
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.files import parse
from dynaxx.spec.graph import Node, nodes
from dynaxx.stage.build import build_stages
from dynaxx.stage.condition import encode
from dynaxx.stage.stage import Request
from dynaxx.train.fit import losses_of
from dynaxx.train.fitting import Fitting
from dynaxx.train.machine import Machine
from dynaxx.train.pairs import Batch

CPU = torch.device("cpu")
STEPS = 3


@dataclass(frozen=True)
class Setting:
    """One stage in one mode."""

    spec: CascadeSpec
    node: Node
    batch: int
    mode: str


def settings(count: int, seed: int, *, memory: bool) -> list[Setting]:
    """Random stages over axes, widths, depths, attention, text, low inputs, processes, solvers and batches."""
    rng, found = random.Random(seed), list[Setting]()
    while len(found) < count:
        depth, axes = rng.choice([1, 2, 3]), rng.choice([1, 2, 2, 2, 3])
        side = rng.choice({1: [64, 256, 1024], 2: [16, 24, 32, 48, 64], 3: [8, 16]}[axes])
        size = [max(2 ** (depth - 1), side // 2 ** (depth - 1) * 2 ** (depth - 1))] * axes
        text, low = rng.random() < 0.5, rng.random() < 0.5
        network = {
            "width": rng.choice([16, 24, 32, 48, 64]), "mults": [1, *(rng.choice([1, 2, 3]) for _ in range(depth - 1))],
            "blocks": rng.choice([1, 2]), "attention": sorted(rng.sample(range(depth), rng.choice([0, 1, 1]))),
        }  # fmt: skip
        kind = rng.choice(["ddim", "heun", "dpmpp-2m", "ancestral"])
        solver = {"kind": kind, "steps": STEPS, "guidance": rng.choice([1.0, 2.0]) if text else 1.0}
        stage: dict[str, Any] = {
            "name": "s", "role": "bridge" if low else "base", "network": network, "solver": solver,
            "process": {"kind": rng.choice(["cosine", "karras", "flow", "ddpm-linear"])},
            "out": {"size": size}, "train": {},
        }  # fmt: skip
        inputs = {"low": {"size": size}} if low else {}
        if low:
            stage["inputs"] = {"low": {"from": "input.low", "noise": {"train_std": [0.0, 0.5], "std": 0.1}}}
        spec = parse({"name": "x", "condition": {"text": {}} if text else {}, "inputs": inputs, "stages": [stage]})
        batch, mode = rng.choice([1, 2, 4, 8]), rng.choice(["sample", "train"])
        node = nodes(spec)[0]
        if memory or flops(spec, node, batch) < 2e10:
            found.append(Setting(spec, node, batch, mode))
    return found


def flops(spec: CascadeSpec, node: Node, batch: int) -> float:
    """The FLOPs of a walk, to leave out what takes minutes."""
    found = profile_of(node, spec.condition)
    return found.flops(found.work(STEPS, evaluations(node)), batch, node.grid.size)


def request(setting: Setting) -> Request:
    """Random inputs."""
    spec, node, batch = setting.spec, setting.node, setting.batch
    inputs = {
        name: Input(x := torch.randn(batch, given.grid.channels, *node.grid.size), x, std=0.1)
        for name, given in node.inputs.items()
    }
    asked = encode(spec.condition, prompts=["a red apple"] * batch if spec.condition.text else None, count=batch)
    return Request(node.stage, node.grid, inputs, asked, Draws(0, "s", tuple(range(batch))))


def work_of(setting: Setting, *, steps: int = 2) -> Callable[[], object]:
    """Sampling once, or so many steps of training; the stage is built on the first call."""
    stage: list[Any] = []
    fitting: list[Fitting] = []
    pairs: list[Batch] = []

    def build() -> Any:
        stage.append(build_stages(setting.spec, [setting.node], fresh=True)["s"])
        if setting.mode == "train":
            fitting.append(Fitting(stage[0], Machine(CPU)))
            stage[0].network.train()
            asked, shape = request(setting), (setting.batch, *setting.node.grid.shape)
            x, eps, t = torch.randn(shape), torch.randn(shape), torch.rand(setting.batch)
            pairs.append(Batch(x, t, eps, asked.inputs, asked.condition, ("",) * setting.batch))

    def run() -> None:
        if not stage:
            build()
        if setting.mode == "sample":
            stage[0].run(request(setting))
            return
        for _ in range(steps):
            losses_of(stage[0], pairs[0]).mean().backward()
            fitting[0].optimiser.clip()
            fitting[0].optimiser.step(1e-3)
            fitting[0].ema.update(setting.batch, setting.batch)

    return run


def tiny() -> Setting:
    """The least stage: what torch, its kernels and the loop take before any signal is large."""
    network = {"width": 8, "mults": [1, 1], "blocks": 1, "attention": [1]}
    stage = {"name": "s", "role": "base", "network": network, "solver": {"steps": 2}, "out": {"size": [8, 8]}}
    spec = parse({"name": "tiny", "stages": [stage]})
    return Setting(spec, nodes(spec)[0], 1, "sample")


def large() -> Setting:
    """A stage of 478 million parameters."""
    network = {"width": 256, "mults": [1, 2, 3, 4], "blocks": 3, "attention": [2, 3]}
    stage = {"name": "s", "role": "base", "network": network, "solver": {"steps": 20}, "out": {"size": [64, 64]}}
    spec = parse({"name": "large", "condition": {"text": {}}, "stages": [stage]})
    return Setting(spec, nodes(spec)[0], 1, "sample")
