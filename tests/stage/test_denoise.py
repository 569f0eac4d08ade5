"""The shared loop, against the exact flow of Gaussian data: start, stop, hand-over, redraw, reported steps.

For x ~ N(m, s^2) the noiseless path from z = x + std eps ends at `m + s / sqrt(s^2 + std^2) (z - m)`, whatever the
process; so every way through the loop has a closed form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from dynaxx.errors import SpecError
from dynaxx.noise.denoiser import Input
from dynaxx.noise.level import Level
from dynaxx.noise.process import make_process
from dynaxx.noise.solve.step import Step
from dynaxx.signal.random import Draws
from dynaxx.spec.edge import EdgeNoise, EdgeSpec
from dynaxx.spec.grid import Grid
from dynaxx.spec.process import CosineProcess, FlowProcess, KarrasProcess, ProcessSpec, TruncatedProcess
from dynaxx.spec.solver import GuidanceSpec, SolverSpec
from dynaxx.spec.stage import DenoisingStage
from dynaxx.stage.condition import Condition
from dynaxx.stage.denoise import run_denoiser
from dynaxx.stage.stage import Request

MEAN, STD, GRID = 0.3, 0.5, Grid(2, (3, 4))
HEUN = SolverSpec(kind="heun", steps=200)
PROCESSES = [CosineProcess(), KarrasProcess(), FlowProcess()]


def gaussian(x_t: Tensor, level: Level, inputs: Mapping[str, Input], condition: Condition) -> Tensor:
    """E[x | x_t] for x ~ N(MEAN, STD^2)."""
    y = x_t - level.beta * inputs["low"].x if level.beta else x_t
    gain = level.alpha * STD**2 / (level.alpha**2 * STD**2 + level.sigma**2)
    return MEAN + gain * (y - level.alpha * MEAN)


def flow(z: Tensor, std: float, to: float = 0.0) -> Tensor:
    """Where the path from z at `std` stands at level `to`."""
    return MEAN + ((STD**2 + to**2) / (STD**2 + std**2)) ** 0.5 * (z - MEAN)


def stage(process: ProcessSpec, edges: Mapping[str, EdgeSpec] | None = None, **solver: object) -> DenoisingStage:
    inputs = dict(edges or {})
    return DenoisingStage(
        name="s", role="base", process=process, solver=HEUN.model_copy(update=solver), inputs=inputs
    )  # fmt: skip


def request(spec: DenoisingStage, **given: object) -> Request:
    base = Request(spec, GRID, {}, Condition(("", "", "")), Draws(7, "s", (0, 1, 2)), dtype=torch.float64)
    return replace(base, **given)


def signal(std: float = 0.0, **more: object) -> Input:
    x = Draws(1, "low", (0, 1, 2)).normal("x", GRID.shape, dtype=torch.float64)
    return Input(x=x, source=x, std=std, **more)


@pytest.mark.parametrize("process", PROCESSES, ids=lambda p: p.kind)
def test_from_noise_to_the_closed_form(process: ProcessSpec) -> None:
    asked = request(stage(process))
    first = make_process(process, GRID).level(1.0)
    eps = asked.draws.normal("start", GRID.shape, dtype=torch.float64)
    expected = flow(first.sigma * eps / first.alpha, first.std) if first.alpha else MEAN + STD * eps
    torch.testing.assert_close(run_denoiser(asked.spec, gaussian, asked), expected, atol=2e-3, rtol=0)


@pytest.mark.parametrize("process", PROCESSES, ids=lambda p: p.kind)
def test_it_starts_at_an_input_at_its_level(process: ProcessSpec) -> None:
    spec = stage(process, {"image": EdgeSpec(from_="input.image", via="start", noise=EdgeNoise(std=0.8))})
    given = signal(0.8)
    out = run_denoiser(spec, gaussian, request(spec, inputs={"image": given}))
    torch.testing.assert_close(out, flow(given.x, 0.8), atol=1e-3, rtol=0)


def test_a_preserving_start_is_scaled_back() -> None:
    spec = stage(CosineProcess(), {"image": EdgeSpec(from_="input.image", via="start", noise=EdgeNoise(std=0.8))})
    plain, alpha = signal(0.8), 1.64**-0.5
    scaled = replace(plain, x=plain.x * alpha, alpha=alpha)
    both = [run_denoiser(spec, gaussian, request(spec, inputs={"image": given})) for given in (plain, scaled)]
    torch.testing.assert_close(*both)


@pytest.mark.parametrize("first", PROCESSES, ids=lambda p: p.kind)
@pytest.mark.parametrize("second", PROCESSES, ids=lambda p: p.kind)
def test_an_unfinished_state_is_taken_up_by_any_process(first: ProcessSpec, second: ProcessSpec) -> None:
    spec = stage(first)
    state = run_denoiser(spec, gaussian, request(spec, stop_std=0.4))
    whole = run_denoiser(spec, gaussian, request(spec))
    torch.testing.assert_close(flow(state, 0.4), whole, atol=3e-3, rtol=0)
    after = stage(second, {"low": EdgeSpec(from_="s", hand="noisy", hand_std=0.4)})
    given = Input(x=state, source=state)
    finished = run_denoiser(after, gaussian, request(after, inputs={"low": given}))
    torch.testing.assert_close(finished, whole, atol=5e-3, rtol=0)


def test_truncated_begins_at_its_input_and_reports_x_t() -> None:
    process = TruncatedProcess(start=0.2, end=0.1)
    spec, steps = stage(process, {"low": EdgeSpec(from_="base")}, steps=20), []
    given = signal()
    asked = request(spec, inputs={"low": given}, on_step=steps.append)
    run_denoiser(spec, gaussian, asked)
    eps = asked.draws.normal("start", GRID.shape, dtype=torch.float64)
    torch.testing.assert_close(steps[0].x_t, given.x + 0.2 * eps)
    for before, after in zip(steps, steps[1:], strict=False):
        torch.testing.assert_close(before.x_next, after.x_t)


def test_steps_are_reported_in_order_and_end_at_the_answer() -> None:
    steps: list[Step] = []
    spec = stage(CosineProcess(), kind="dpmpp-2m", steps=6)
    out = run_denoiser(spec, gaussian, request(spec, on_step=steps.append))
    assert [step.index for step in steps] == list(range(6))
    assert torch.equal(steps[-1].x_next, out)


@pytest.mark.parametrize(("kind", "evaluations"), [("ddim", 5), ("heun", 9)])
def test_redraw_gives_fresh_noise_to_every_evaluation_and_once_does_not(kind: str, evaluations: int) -> None:
    seen: list[Tensor] = []

    def watching(x_t: Tensor, level: Level, inputs: Mapping[str, Input], condition: Condition) -> Tensor:
        seen.append(inputs["low"].x)
        return gaussian(x_t, level, inputs, condition)

    spec = stage(CosineProcess(), {"low": EdgeSpec(from_="b")}, kind=kind, steps=5)
    once, draws = signal(), Draws(3, "e", (0, 1, 2))
    step = replace(once, redraw=lambda i: replace(once, x=draws.normal("augment", GRID.shape, draw=i)))
    run_denoiser(spec, watching, request(spec, inputs={"low": step}))
    assert len(seen) == evaluations
    assert all(not torch.allclose(a, b) for i, a in enumerate(seen) for b in seen[:i])
    seen.clear()
    run_denoiser(spec, watching, request(spec, inputs={"low": once}))
    assert all(torch.equal(x, once.x) for x in seen)


def test_guidance_equals_its_formula() -> None:
    def told_apart(x_t: Tensor, level: Level, inputs: Mapping[str, Input], condition: Condition) -> Tensor:
        return torch.stack([torch.full(GRID.shape, 0.5 if text else 0.1) for text in condition.texts]).to(x_t.dtype)

    asked = {"condition": Condition(("cat", "dog", ""))}
    for guidance, expected in ((3.0, 0.1 + 3 * 0.4), (1.0, 0.5), (GuidanceSpec(scale=3, interval=(5, 9)), 0.5)):
        spec = stage(CosineProcess(), kind="ddim", steps=3, guidance=guidance)
        out = run_denoiser(spec, told_apart, request(spec, **asked))
        torch.testing.assert_close(out[:2], torch.full_like(out[:2], expected))
        torch.testing.assert_close(out[2], torch.full_like(out[2], 0.1))
    clipped = stage(CosineProcess(), kind="ddim", steps=3, guidance=3.0, clip="static")
    assert run_denoiser(clipped, told_apart, request(clipped, **asked)).amax() == 1


def test_samples_do_not_depend_on_their_batch() -> None:
    spec = stage(CosineProcess(), kind="ancestral", steps=8)
    together = run_denoiser(spec, gaussian, request(spec))
    alone = request(spec, draws=Draws(7, "s", (2,)), condition=Condition(("",)))
    torch.testing.assert_close(run_denoiser(spec, gaussian, alone)[0], together[2])


@pytest.mark.parametrize(
    ("process", "edges", "message"),
    [
        (CosineProcess(), {"a": {"from": "x", "via": "start"}}, "starts at 'a' at std 0, so nothing is left"),
        (
            CosineProcess(), {"a": {"from": "x", "via": "start"}, "b": {"from": "x", "via": "start"}},
            "starts at 2 inputs: a, b. Keep one",
        ),
        (TruncatedProcess(), {"a": {"from": "x"}}, "truncated process but no input `low`"),
    ],
)  # fmt: skip
def test_what_cannot_start_is_refused(process: ProcessSpec, edges: dict, message: str) -> None:
    spec = stage(process, {name: EdgeSpec.model_validate(edge) for name, edge in edges.items()})
    with pytest.raises(SpecError, match=message):
        run_denoiser(spec, gaussian, request(spec, inputs={name: signal() for name in edges}))
