"""What bridges and refine stages learn: to use their low input, to heed the told level, to mend what they begin at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny import Given, tiny
from torch import Tensor

from dynaxx.engine.cascade import Cascade
from dynaxx.noise.denoiser import Input
from dynaxx.signal.random import Draws
from dynaxx.signal.resample import resample
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.graph import nodes
from dynaxx.stage.build import build_stages
from dynaxx.stage.diffusion import Diffusion
from dynaxx.train import Every, train
from dynaxx.train.material import gather
from dynaxx.train.pairs import Batch, Pairs

ONE = {"size": [4, 4], "channels": 1}
QUIET = Every(log=50, save=10**6, preview=10**6)


def blobs(count: int = 64) -> Given:
    """Smooth pictures of one channel."""
    rough = Draws(0, "blobs", tuple(range(count))).normal("x", (1, 4, 4))
    return Given(list(resample(rough, (8, 8), "bicubic").clamp(-2, 2) / 2))


def bridge_spec(**settings: object) -> CascadeSpec:
    return tiny(
        condition={}, base__out=ONE, bridge__out={"size": [8, 8], "channels": 1}, bridge__train__steps=150,
        bridge__train__batch_size=32, bridge__train__optimizer__decay="cosine", **settings,
    )  # fmt: skip


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> tuple[Diffusion, Batch]:
    """A trained bridge, and pairs that it has seen at other levels only."""
    out, spec = tmp_path_factory.mktemp("bridge"), bridge_spec(bridge__inputs__low__noise__train_std=[0.0, 2.0])
    train(spec, data=blobs(), out=out, stages=["bridge"], every=QUIET)
    graph = nodes(spec)
    stage = build_stages(spec, graph[1:], root=out)["bridge"]
    assert isinstance(stage, Diffusion)
    material = gather(spec, blobs(), root=None, cache=out / "cache")
    return stage, Pairs(spec.condition, graph, graph[1], material).batch(range(10**6, 10**6 + 256))


@torch.no_grad()
def loss(stage: Diffusion, batch: Batch, low: Input, t: Tensor) -> float:
    return stage.loss(batch.x, t, batch.eps, {"low": low}, batch.condition).mean().item()


def test_other_samples_low_inputs_raise_the_loss_at_high_noise(bridge: tuple[Diffusion, Batch]) -> None:
    stage, batch = bridge
    low, late = batch.inputs["low"], torch.full((256,), 0.9)
    assert stage.process.level(0.9).logsnr < -2
    strange = replace(low, x=low.x.roll(1, 0), source=low.source.roll(1, 0), std=low.std.roll(1, 0))
    assert loss(stage, batch, strange, late) > 1.3 * loss(stage, batch, low, late)


def test_a_wrong_told_level_raises_the_loss(bridge: tuple[Diffusion, Batch]) -> None:
    """A noisy input said to be clean is trusted too much, and a clean one said to be noisy too little."""
    stage, batch = bridge
    low, late = batch.inputs["low"], torch.full((256,), 0.8)
    swapped = replace(low, std=2.0 - low.std)
    assert loss(stage, batch, swapped, late) > 1.05 * loss(stage, batch, low, late)


def test_a_truncated_refine_stage_comes_closer_to_the_truth_than_it_began(tmp_path: Path) -> None:
    spec, xs = bridge_spec(bridge__process={"kind": "truncated", "start": 0.2}, bridge__solver__steps=4), blobs().xs
    edges = Given([x.sign() for x in xs])
    losses: list[float] = []
    train(spec, data=edges, out=tmp_path, every=QUIET, on_step=lambda step: losses.append(step.loss))
    assert sum(losses[-20:]) < 0.85 * sum(losses[20:40])  # the first twenty are the base's
    truth = torch.stack(edges.xs)
    low = resample(truth, (4, 4), "bicubic-antialias").clamp(-1, 1)
    drawn = Cascade.from_pretrained(tmp_path).sample(num=64, given={"base": low}).x
    begun = resample(low, (8, 8), "bicubic-antialias")
    assert (drawn - truth).square().mean() < 0.8 * (begun - truth).square().mean()
