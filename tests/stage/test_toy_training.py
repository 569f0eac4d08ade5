"""Real training of tiny stages: labels are obeyed, guidance sharpens, a bridge needs its low input."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from dynaxx.noise.denoiser import Input
from dynaxx.signal.random import Draws
from dynaxx.signal.resample import resample
from dynaxx.spec.condition import ConditionSpec, LabelSpec
from dynaxx.spec.edge import EdgeNoise, EdgeSpec
from dynaxx.spec.grid import Grid
from dynaxx.spec.network import UNetSpec
from dynaxx.spec.solver import SolverSpec
from dynaxx.spec.stage import DiffusionStage
from dynaxx.stage.backbone import make_network
from dynaxx.stage.condition import Condition, encode
from dynaxx.stage.diffusion import Diffusion
from dynaxx.stage.stage import Request

GRID, BATCH = Grid(1, (8, 8)), 32
LABELS = ConditionSpec(label=LabelSpec(classes=2))
NETWORK = UNetSpec(width=16, mults=(1, 2), attention=(1,), blocks=1, head_dim=16)

Batch = tuple[Tensor, dict[str, Input], Condition]


def fit(stage: Diffusion, batch: Callable[[], Batch], steps: int) -> float:
    """Train on fresh batches, levels stratified over t; the mean loss of the last 50 steps."""
    optimiser, losses = torch.optim.AdamW(stage.network.parameters(), lr=2e-3), []
    stage.network.train()
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * min(1, (step + 1) / 20, 2 * (steps - step) / steps)
        x, inputs, asked = batch()
        t = (torch.arange(BATCH) + torch.rand(BATCH)) / BATCH
        loss = stage.loss(x, t, torch.randn_like(x), inputs, asked).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(stage.network.parameters(), 1.0)
        optimiser.step()
        losses.append(loss.item())
    stage.network.eval()
    return sum(losses[-50:]) / 50


def halves() -> Batch:
    """Label 0: the left half bright; label 1: the upper half; the contrast varies, one in ten labels is withheld."""
    labels = torch.randint(2, (BATCH,))
    picture = torch.full((BATCH, 1, 8, 8), -1.0)
    picture[labels == 0, :, :, :4] = 1
    picture[labels == 1, :, :4, :] = 1
    asked = encode(LABELS, labels=labels).without(label=torch.rand(BATCH) < 0.1)
    return picture * (0.6 + 0.4 * torch.rand(BATCH, 1, 1, 1)), {}, asked


def contrasts(x: Tensor) -> Tensor:
    """Left minus right, and upper minus lower: `(B, 2)`."""
    across = x[..., :4].mean((1, 2, 3)) - x[..., 4:].mean((1, 2, 3))
    down = x[:, :, :4].mean((1, 2, 3)) - x[:, :, 4:].mean((1, 2, 3))
    return torch.stack([across, down], dim=1)


@pytest.fixture(scope="module")
def base() -> tuple[Diffusion, float]:
    torch.manual_seed(0)
    spec = DiffusionStage(name="base", role="base", network=NETWORK)
    stage = Diffusion(spec, make_network(NETWORK, grid=GRID, in_channels=1, told=0, condition=LABELS), GRID)
    return stage, fit(stage, halves, 160)


def sample(stage: Diffusion, labels: list[int], **solver: object) -> Tensor:
    spec = stage.spec.model_copy(update={"solver": SolverSpec(steps=16, **solver)})
    draws = Draws(3, "base", tuple(range(len(labels))))
    return stage.run(Request(spec, GRID, {}, encode(LABELS, labels=labels), draws))


def test_the_loss_falls_far_below_that_of_an_answer_of_zero(base: tuple[Diffusion, float]) -> None:
    """An answer of zero to v has loss E[alpha^2 + sigma^2 x^2] ~ 0.82 here."""
    assert base[1] < 0.12


@pytest.mark.parametrize("solver", [{"kind": "dpmpp-2m"}, {"kind": "ddim"}, {"kind": "ancestral"}, {"kind": "heun"}])
def test_samples_obey_their_label(base: tuple[Diffusion, float], solver: dict) -> None:
    labels = [0, 1] * 16
    found = contrasts(sample(base[0], labels, **solver))
    assert (found.argmax(1) == torch.tensor(labels)).float().mean() >= 0.95
    own = found[torch.arange(32), torch.tensor(labels)]
    assert 1.4 < own.mean() < 1.8  # the truth: 1.6


def test_without_a_label_both_kinds_come(base: tuple[Diffusion, float]) -> None:
    kinds = contrasts(sample(base[0], [-1] * 32)).argmax(1)
    assert 4 < kinds.sum() < 28


def test_guidance_pushes_further_from_the_other_kind(base: tuple[Diffusion, float]) -> None:
    labels, rows = torch.tensor([0, 1] * 16), torch.arange(32)
    lead = []
    for scale in (0.0, 1.0, 3.0):
        found = contrasts(sample(base[0], labels.tolist(), guidance=scale))
        lead.append((found[rows, labels] - found[rows, 1 - labels]).mean())
    assert lead[0] < 0.5 * lead[1]
    assert lead[1] < lead[2]


def bridge_batch() -> Batch:
    """Smooth random pictures; the low input is the same at 4 x 4 with a little told noise."""
    x = resample(torch.randn(BATCH, 1, 4, 4), (8, 8), "bicubic").clamp(-2, 2) / 2
    low, std = resample(x, (4, 4), "area"), 0.3 * torch.rand(BATCH, 1, 1, 1)
    high = resample(low, (8, 8), "bicubic") + std * torch.randn(BATCH, 1, 8, 8)
    return x, {"low": Input(x=high, source=low, std=std)}, Condition(("",) * BATCH)


def test_a_bridge_misses_its_low_input_at_high_noise() -> None:
    torch.manual_seed(0)
    edge = EdgeSpec(from_="base", noise=EdgeNoise(train_std=(0, 0.3)))
    spec = DiffusionStage(name="bridge", role="bridge", network=NETWORK, inputs={"low": edge})
    stage = Diffusion(spec, make_network(NETWORK, grid=GRID, in_channels=2, told=1, condition=ConditionSpec()), GRID)
    fit(stage, bridge_batch, 120)
    x, inputs, asked = bridge_batch()
    low = inputs["low"]
    shuffled = {"low": Input(x=low.x.roll(1, 0), source=low.source.roll(1, 0), std=low.std.roll(1, 0))}
    eps, late = torch.randn_like(x), torch.full((BATCH,), 0.9)
    assert stage.process.level(0.9).logsnr < -2
    with torch.no_grad():
        own, others = (stage.loss(x, late, eps, given, asked).mean() for given in (inputs, shuffled))
    assert others > 2 * own
