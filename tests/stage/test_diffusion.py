"""A network as a stage: what it is given, its loss at every level, its place taken by diffusers' own, regression."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dynaxx.noise.augment import forward
from dynaxx.noise.denoiser import Input
from dynaxx.noise.parameterise import Output, from_clean, to_clean
from dynaxx.noise.process import make_process
from dynaxx.signal.random import Draws
from dynaxx.spec.condition import ConditionSpec, FieldSpec, LabelSpec
from dynaxx.spec.edge import EdgeBlur, EdgeNoise, EdgeSpec
from dynaxx.spec.grid import Grid
from dynaxx.spec.network import DiffusersNetworkSpec, UNetSpec
from dynaxx.spec.process import CosineProcess, FlowProcess, KarrasProcess, ProcessSpec, TruncatedProcess
from dynaxx.spec.solver import SolverSpec
from dynaxx.spec.stage import DiffusionStage, RegressionStage
from dynaxx.spec.training import LossSpec, TrainingSpec
from dynaxx.stage.backbone import make_network
from dynaxx.stage.beside import Beside
from dynaxx.stage.condition import Condition, encode
from dynaxx.stage.denoise import run_denoiser
from dynaxx.stage.diffusion import Diffusion, NetworkDenoiser
from dynaxx.stage.regression import Regression
from dynaxx.stage.stage import Request, Stage
from dynaxx.stage.weighting import SNR_MAX, loss_weight

GRID, BATCH, NONE = Grid(2, (6, 5)), 4, ConditionSpec()
SMALL = UNetSpec(width=8, mults=(1, 2), attention=(1,), blocks=1, head_dim=8)
PROCESSES = [CosineProcess(), KarrasProcess(), FlowProcess(), TruncatedProcess(start=0.2, end=0.1)]
LOW = {"low": EdgeSpec(from_="base", noise=EdgeNoise(std=0.2))}


def spec(process: ProcessSpec, **more: object) -> DiffusionStage:
    return DiffusionStage(name="s", role="bridge", process=process, inputs=LOW, network=SMALL, **more)


def stage(asked: DiffusionStage, condition: ConditionSpec = NONE) -> Diffusion:
    torch.manual_seed(0)
    beside = Beside.of(asked)
    channels = GRID.channels + beside.channels({name: 2 for name in asked.inputs}, condition)
    network = make_network(asked.network, grid=GRID, in_channels=channels, told=len(beside.levels), condition=condition)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return Diffusion(asked, network, GRID)


def low(batch: int = BATCH) -> Input:
    x = torch.randn(batch, *GRID.shape, generator=torch.Generator().manual_seed(1))
    return Input(x=x, source=x, std=0.2)


def nothing(batch: int = BATCH) -> Condition:
    return Condition(("",) * batch)


def request(asked: DiffusionStage, **more: object) -> Request:
    return Request(asked, GRID, {"low": low()}, nothing(), Draws(5, "s", tuple(range(BATCH))), **more)


@pytest.mark.parametrize("process", PROCESSES, ids=lambda p: p.kind)
@pytest.mark.parametrize("prediction", get_args(Output))
def test_the_loss_is_the_weighted_error_of_clean_estimates(process: ProcessSpec, prediction: Output) -> None:
    """The network's own answers, turned into clean estimates at one level per sample and compared there."""
    made = stage(spec(process, prediction=prediction))
    torch.manual_seed(2)
    x, eps, t = torch.randn(BATCH, *GRID.shape), torch.randn(BATCH, *GRID.shape), torch.tensor([0.1, 0.4, 0.6, 0.9])
    loss = made.loss(x, t, eps, {"low": low()}, nothing())
    for i in range(BATCH):
        level = made.process.level(float(t[i]))
        here = {"low": Input(x=low().x[i : i + 1], source=low().source[i : i + 1], std=0.2)}
        x_t = forward(x[i : i + 1], eps[i : i + 1], level, here["low"].x if level.beta else None)
        x_hat = made.denoiser(x_t, level, here, nothing(1))
        expected = (1 / level.std**2 + 1) * (x_hat - x[i : i + 1]).square().mean()
        torch.testing.assert_close(loss[i], expected, rtol=2e-3, atol=1e-4)


@pytest.mark.parametrize("process", PROCESSES, ids=lambda p: p.kind)
@pytest.mark.parametrize("prediction", get_args(Output))
@pytest.mark.parametrize("weight", ["v", "eps", "min-snr", "sigmoid", "edm"])
def test_loss_and_gradient_are_finite_at_both_ends(process: ProcessSpec, prediction: Output, weight: str) -> None:
    made = stage(spec(process, prediction=prediction, train=TrainingSpec(loss=LossSpec(weight=weight))))
    x, eps = torch.randn(2, *GRID.shape), torch.randn(2, *GRID.shape)
    loss = made.loss(x, torch.tensor([0.0, 1.0]), eps, {"low": low(2)}, nothing(2))
    loss.mean().backward()
    assert loss.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in made.network.parameters())


@given(st.floats(1e-3, 1e3))
@settings(max_examples=50, deadline=None)
def test_weights_are_the_papers(std: float) -> None:
    at, snr = torch.tensor([std], dtype=torch.float64), std**-2
    expected = {
        "v": snr + 1, "eps": snr, "min-snr": min(snr, 5), "edm": (std**2 + 0.25) / (std * 0.5) ** 2,
        "sigmoid": math.exp(2) / (1 + math.exp(2) / snr),
    }  # fmt: skip
    for weight, value in expected.items():
        found = loss_weight(LossSpec(weight=weight), at, 0.5).item()
        assert found == pytest.approx(value, rel=1e-6, abs=2 / SNR_MAX)


@pytest.mark.parametrize("process", PROCESSES, ids=lambda p: p.kind)
@pytest.mark.parametrize("prediction", ["x", "v", "u", "edm"])
def test_a_perfect_answer_is_sampled_exactly(process: ProcessSpec, prediction: Output) -> None:
    """With a network that always answers for the one true x, the loop ends at x."""
    asked = spec(process, prediction=prediction, solver=SolverSpec(kind="dpmpp-2m", steps=7))
    x, made = torch.randn(BATCH, *GRID.shape, dtype=torch.float64), make_process(process, GRID)
    path = iter(made.levels(7))
    seen: list[Tensor] = []

    def network(given: Tensor, level: Tensor, told: Tensor | None, condition: Condition) -> Tensor:
        here = next(path)
        scale = (here.sigma**2 + 0.25 * here.alpha**2) ** 0.5 if prediction == "edm" or made.form == "exploding" else 1
        x_t = given[:, :2] * scale
        y = x_t - here.beta * given[:, 2:] if here.beta else x_t
        seen.append(told)
        return from_clean(x, prediction, y, here, made.std_data)

    denoiser = NetworkDenoiser(asked, made, network, Beside.of(asked))
    given_low = Input(x=low().x.double(), source=low().x.double(), std=0.2)
    ready = Request(asked, GRID, {"low": given_low}, nothing(), Draws(5, "s", tuple(range(BATCH))), dtype=torch.float64)
    torch.testing.assert_close(run_denoiser(asked, denoiser, ready), x, atol=1e-6, rtol=0)
    torch.testing.assert_close(seen[0], torch.full((BATCH, 1), 2 / math.pi * math.atan(0.2)))


@torch.no_grad()
def test_it_is_a_stage_and_a_sample_is_the_same_alone_or_in_a_batch() -> None:
    asked = spec(CosineProcess(), solver=SolverSpec(steps=6))
    made = stage(asked)
    assert isinstance(made, Stage)
    together = made.run(request(asked))
    one = Input(x=low().x[2:3], source=low().x[2:3], std=0.2)
    alone = made.run(Request(asked, GRID, {"low": one}, nothing(1), Draws(5, "s", (2,))))
    assert together.shape == (BATCH, *GRID.shape)
    torch.testing.assert_close(alone[0], together[2], atol=1e-4, rtol=0)


def test_sampling_leaves_dropout_out_and_the_mode_as_it_was() -> None:
    asked = spec(CosineProcess(), solver=SolverSpec(steps=2)).model_copy(
        update={"network": SMALL.model_copy(update={"dropout": 0.5})}
    )
    made = stage(asked)
    made.network.train()
    assert torch.equal(made.run(request(asked)), made.run(request(asked)))
    assert made.network.training


def test_half_precision_weights_serve_a_full_precision_state() -> None:
    asked = spec(CosineProcess(), solver=SolverSpec(steps=4))
    made = stage(asked)
    full = made.run(request(asked))
    made.network.to(torch.bfloat16)
    out = made.run(request(asked))
    assert out.dtype == torch.float32
    assert (out - full).abs().mean() < 0.1 * full.abs().mean()


def test_inputs_stand_in_name_order_and_levels_are_told_where_asked() -> None:
    edges = {
        "low": EdgeSpec(from_="b", noise=EdgeNoise(std=1.0), blur=EdgeBlur(std=2.0)),
        "context": EdgeSpec(from_="a", noise=EdgeNoise(std=3.0, told=False)),
        "image": EdgeSpec(from_="input.image", via="start", noise=EdgeNoise(std=0.5)),
    }
    asked = DiffusionStage(name="s", role="bridge", inputs=edges)
    beside = Beside.of(asked)
    assert beside.names == ("context", "low")
    assert beside.levels == (("low", "std"), ("low", "blur"))
    field = ConditionSpec(field=FieldSpec(channels=4))
    assert beside.channels({"context": 1, "low": 2, "image": 9}, field) == 7
    one, x = Input(x=torch.ones(2, 1, 3), source=torch.ones(2, 1, 3)), torch.zeros(2, 1, 3)
    inputs = {"low": Input(x=x, source=x, std=1.0, blur=torch.tensor([[[0.0]], [[math.inf]]])), "context": one}
    given_field = encode(field, field=torch.full((2, 4, 3), 5.0))
    assert [float(s.mean()) for s in beside.signals(inputs, given_field)] == [1, 0, 5]
    torch.testing.assert_close(beside.told(inputs, x), torch.tensor([[0.5, 0.0], [0.5, 1.0]]))


def test_a_field_is_resized_to_the_stage_and_heard() -> None:
    field = ConditionSpec(field=FieldSpec(channels=1))
    asked = spec(CosineProcess(), solver=SolverSpec(steps=3))
    made = stage(asked, field)
    outs = []
    for value in (0.0, 1.0):
        given_field = encode(field, field=torch.full((BATCH, 1, 12, 10), value))
        outs.append(made.run(Request(asked, GRID, {"low": low()}, given_field, Draws(5, "s", tuple(range(BATCH))))))
    assert (outs[0] - outs[1]).abs().amax() > 1e-3


def test_a_diffusers_network_in_its_place() -> None:
    condition, grid = ConditionSpec(label=LabelSpec(classes=2)), Grid(3, (8, 8))
    network_spec = DiffusersNetworkSpec(
        model="UNet2DModel",
        config={
            "block_out_channels": [8, 8], "layers_per_block": 1, "norm_num_groups": 4, "attention_head_dim": 4,
            "down_block_types": ["DownBlock2D", "AttnDownBlock2D"], "up_block_types": ["AttnUpBlock2D", "UpBlock2D"],
        },
    )  # fmt: skip
    asked = DiffusionStage(name="s", role="base", network=network_spec, solver=SolverSpec(steps=3, guidance=2.0))
    torch.manual_seed(0)
    network = make_network(network_spec, grid=grid, in_channels=3, told=0, condition=condition)
    made = Diffusion(asked, network, grid)
    x, eps, labels = torch.randn(4, 3, 8, 8), torch.randn(4, 3, 8, 8), encode(condition, labels=[0, 1, -1, 0])
    optimiser, losses = torch.optim.Adam(network.parameters(), lr=3e-3), []
    for _ in range(30):
        loss = made.loss(x, torch.full((4,), 0.5), eps, {}, labels).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    out = made.run(Request(asked, grid, {}, labels, Draws(0, "s", (0, 1, 2, 3))))
    assert out.shape == (4, 3, 8, 8)
    assert out.isfinite().all()


def test_regression_starts_as_its_input_and_learns_the_mean_answer() -> None:
    asked = RegressionStage(name="s", role="bridge", inputs=LOW, network=SMALL)
    torch.manual_seed(0)
    network = make_network(SMALL, grid=GRID, in_channels=2, told=1, condition=ConditionSpec())
    made, given_low = Regression(asked, network, GRID), low()
    ready = Request(asked, GRID, {"low": given_low}, nothing(), Draws(5, "s", tuple(range(BATCH))))
    torch.testing.assert_close(made.run(ready), given_low.x)
    wanted = -given_low.x
    assert made.loss(wanted, {"low": given_low}, nothing()).shape == (BATCH,)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(80):
        loss = made.loss(wanted, {"low": given_low}, nothing()).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert (made.run(ready) - wanted).square().mean() < 0.1 * (2 * wanted).square().mean()


def test_the_clean_estimate_of_a_fresh_network_is_that_of_an_answer_of_zero() -> None:
    asked = spec(TruncatedProcess(start=0.2), prediction="v")
    network = make_network(SMALL, grid=GRID, in_channels=4, told=1, condition=ConditionSpec())
    made, x_t = Diffusion(asked, network, GRID), torch.randn(BATCH, *GRID.shape)
    level = made.process.level(0.3)
    y = x_t - 0.3 * low().x
    with torch.no_grad():
        found = made.denoiser(x_t, level, {"low": low()}, nothing())
    torch.testing.assert_close(found, to_clean(torch.zeros_like(y), "v", y, level))
