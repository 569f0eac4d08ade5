"""Half precision and kernels of attention as levers: what they change, what they leave alone, and the way back."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny_pipelines as tiny
import torch
from family_cascades import FAMILIES
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from dynaxx import Cascade
from dynaxx.engine.runtime import Runtime
from dynaxx.engine.samples import Samples
from dynaxx.noise.solve.step import Step
from dynaxx.spec.files import parse
from dynaxx.stage.levers import choose as chosen
from dynaxx.stage.levers.captured import Call
from dynaxx.stage.levers.choose import Trial, choose, pull
from dynaxx.stage.levers.table import LEVERS
from dynaxx.stage.pipeline import held

STAGE: dict[str, Any] = {
    "name": "base", "role": "base", "kind": "pipeline", "load": "sd", "call": {"num_inference_steps": 2},
    "out": {"size": [16, 16]},
}  # fmt: skip
FORMATS = {"bfloat16": torch.bfloat16, "float16": torch.float16}


@pytest.fixture(autouse=True)
def _kept_whatever_the_machine_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chosen, "FASTER", 0.0)
    monkeypatch.setattr("dynaxx.stage.levers.timed.PATIENCE", 1e6)


def unet_call(network: Any, *, width: int = tiny.WIDTH) -> Call:
    torch.manual_seed(0)
    x, text = torch.randn(2, network.config["in_channels"], 8, 8), torch.randn(2, 7, width)
    return Call((x, torch.tensor(999)), {"encoder_hidden_states": text, "return_dict": False})


def answered(network: Any, call: Call) -> Tensor:
    with torch.no_grad():
        found: Tensor = network(*call.args, **call.named)[0]
    return found


@pytest.mark.parametrize("name", FORMATS)
def test_a_network_in_half_precision_and_back(name: str) -> None:
    network = tiny.unet(4).eval()
    call, places = unet_call(network), [x.data_ptr() for x in network.parameters()]
    full = answered(network, call)
    undo = LEVERS[name].pull(network)
    assert {x.dtype for x in network.parameters()} == {FORMATS[name]}
    assert network.dtype == torch.float32, "pipelines draw noise and keep their state in what it says"
    half = answered(network, call)
    assert half.dtype == torch.float32
    assert 0 < (half - full).abs().max() / full.square().mean().sqrt() <= LEVERS[name].within
    undo()
    assert type(network).__name__ == "UNet2DConditionModel"
    assert torch.equal(answered(network, call), full)
    assert [x.data_ptr() for x in network.parameters()] == places, "the weights are those of before, not copies"


def test_the_error_is_measured_against_full_precision() -> None:
    network = tiny.unet(4).eval()
    call = unet_call(network)
    full = answered(network, call)
    trials = choose(network, call, ("bfloat16",), moves=False)
    error = (answered(network, call) - full).abs().max() / full.square().mean().sqrt()
    assert trials["bfloat16"].error == pytest.approx(float(error), rel=1e-6)
    assert trials["bfloat16"].kept


def test_half_precision_that_is_too_coarse_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LEVERS, "bfloat16", replace(LEVERS["bfloat16"], within=1e-4))
    network = tiny.unet(4).eval()
    full = answered(network, unet_call(network))
    trials = choose(network, unet_call(network), ("bfloat16",), moves=False)
    assert not trials["bfloat16"].kept
    assert trials["bfloat16"].error is not None
    assert trials["bfloat16"].error > LEVERS["bfloat16"].within
    assert torch.equal(answered(network, unet_call(network)), full)


class Told(nn.Module):
    """A network that says what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Linear(4, 4)
        self.register_buffer("table", torch.tensor([999.0]), persistent=False)
        self.seen: dict[str, Any] = {}

    def forward(self, hidden_states: Tensor, **given: Any) -> tuple[Tensor]:
        self.seen = {"hidden_states": hidden_states, **given}
        return (self.proj(hidden_states),)


def test_signals_are_converted_and_numbers_whose_digits_count_are_not() -> None:
    network = Told()
    LEVERS["bfloat16"].pull(network)
    x, count = torch.randn(2, 4), torch.full((2,), 999.0)
    (found,) = network(
        hidden_states=x, timestep=count, encoder_hidden_states=x, video_coords=count,
        added_cond_kwargs={"text_embeds": x, "time_ids": count}, encoder_attention_mask=torch.ones(2, dtype=torch.long),
    )  # fmt: skip
    seen: Any = network.seen
    for signal in (seen["hidden_states"], seen["encoder_hidden_states"], seen["added_cond_kwargs"]["text_embeds"]):
        assert signal.dtype == torch.bfloat16
    for number in (seen["timestep"], seen["video_coords"], seen["added_cond_kwargs"]["time_ids"], network.table):
        assert number.dtype == torch.float32
        assert number.max() == 999
    assert seen["encoder_attention_mask"].dtype == torch.long
    assert found.dtype == torch.float32


def test_parts_that_a_class_keeps_in_float32_stay() -> None:
    network: Any = tiny.wan().transformer.eval()
    LEVERS["bfloat16"].pull(network)
    formats = {name: x.dtype for name, x in network.named_parameters()}
    kept = {name for name, dtype in formats.items() if dtype == torch.float32}
    assert kept == {name for name in formats if set(network._keep_in_fp32_modules) & set(name.split("."))}
    assert 0 < len(kept) < len(formats)


def test_a_copy_of_a_network_is_made_so_again() -> None:
    network = tiny.unet(4).eval()
    call, trials = unet_call(network), {"bfloat16": Trial(2.0, 0.01, True)}
    pull(network, trials)
    copy = deepcopy(network)
    pull(copy, trials)
    assert torch.equal(answered(copy, call), answered(network, call))


def cascade(root: Path, *levers: str, load: str = "sd", dtype: str | None = None, **more: Any) -> Cascade:
    tiny.saved(load, root)
    stage = STAGE | {"load": load} | ({"dtype": dtype} if dtype else {})
    spec = parse({"name": "x", "condition": {"text": {}}, "stages": [stage]})
    return Cascade.from_spec(spec, root=root, runtime=Runtime(device="cpu", levers=levers, **more))


def drawn(live: Cascade) -> tuple[Samples, list[Step]]:
    steps: list[Step] = []
    return live.sample("a red apple", seed=1, on_step=lambda _, step: steps.append(step)), steps


@pytest.mark.parametrize("load", ["sd", "sdxl"])
def test_a_pipeline_around_it_goes_on_in_full_precision(tmp_path: Path, load: str) -> None:
    half, steps = drawn(cascade(tmp_path, "bfloat16", load=load))
    full, plain = drawn(cascade(tmp_path, load=load))
    assert torch.equal(steps[0].x_t, plain[0].x_t), "the same noise"
    assert steps[-1].x_next.dtype == torch.float32
    assert not torch.equal(steps[-1].x_next, steps[-1].x_next.bfloat16().float()), "with all its digits"
    assert 0 < (half.x - full.x).abs().max() <= 0.1
    said = half.trace.nodes[0].calls[0]["levers"]["bfloat16"]
    assert said["kept"]
    assert 0 < said["error"] <= LEVERS["bfloat16"].within


@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "sdxl-by-share"])
def test_every_family_takes_it(tmp_path: Path, name: str) -> None:
    text, folders = FAMILIES[name]
    for folder in folders:
        tiny.saved(folder, tmp_path)
    (tmp_path / "cascade.yaml").write_text(text)
    half, full = (
        Cascade.from_pretrained(tmp_path / "cascade.yaml", runtime=Runtime(device="cpu", levers=levers))
        for levers in (("bfloat16",), ())
    )
    found, plain = (live.sample("a red apple", seed=1) for live in (half, full))
    for node in found.trace.nodes:
        trial = node.calls[0]["levers"]["bfloat16"]
        assert trial["kept"], node.name
        assert 0 < trial["error"] <= LEVERS["bfloat16"].within
    assert 0 < (found.x - plain.x).abs().mean() <= 0.02, (
        "the greatest is for the codec to say, which has a few sharp edges"
    )


@pytest.mark.parametrize("lever", FORMATS)
def test_what_an_encoder_sees_of_a_picture_is_converted_too(tmp_path: Path, lever: str) -> None:
    """Wan 2.1 tells its network of the picture beside the text: left in float32, it would meet weights that are not."""
    tiny.saved("wan-seen", tmp_path)
    stage = STAGE | {"load": "wan-seen", "inputs": {"image": "input.image"}, "out": {"size": [9, 32, 32]}}
    users = {"image": {"size": [32, 32]}}
    spec = parse({"name": "x", "condition": {"text": {}}, "inputs": users, "stages": [stage]})
    live = Cascade.from_spec(spec, root=tmp_path, runtime=Runtime(device="cpu", levers=(lever,)))
    picture = {"input.image": torch.linspace(-1, 1, 3 * 32 * 32).view(1, 3, 32, 32)}
    samples = live.sample("a red apple", seed=1, given=picture)
    trial = samples.trace.nodes[0].calls[0]["levers"][lever]
    assert trial["kept"]
    assert 0 < trial["error"] <= LEVERS[lever].within
    network: Any = live.stages["base"].pipe.transformer  # type: ignore[attr-defined]
    seen: list[torch.dtype] = []
    network.condition_embedder.image_embedder.register_forward_pre_hook(lambda _, given: seen.append(given[0].dtype))
    live.sample("a red apple", seed=1, given=picture)
    assert set(seen) == {FORMATS[lever]}


def test_a_stage_that_its_file_holds_in_half_precision_keeps_it(tmp_path: Path) -> None:
    samples, _ = drawn(cascade(tmp_path, "float16", "bfloat16", dtype="bfloat16"))
    assert samples.trace.nodes[0].calls[0]["levers"] == {}


@pytest.mark.parametrize("lever", ["bfloat16", "fused-projections", "attention-math"])
@pytest.mark.parametrize("placement", ["resident", "one-at-a-time"])
def test_it_stays_where_weights_come_and_go(tmp_path: Path, lever: str, placement: Any) -> None:
    live = cascade(tmp_path, lever, placement=placement)
    first, again = (live.sample("a red apple", seed=1) for _ in range(2))
    assert first.trace.nodes[0].calls[0]["levers"][lever]["kept"]
    assert (first.x - again.x).abs().max() <= 1e-4


def test_a_master_copy_is_held_in_half_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "on_its_own", lambda device: True)
    live = cascade(tmp_path, "bfloat16", placement="one-at-a-time")
    first = live.sample("a red apple", seed=1)
    stage: Any = live.stages["base"]
    assert {x.dtype for x in stage.pipe.unet.parameters()} == {torch.bfloat16}
    again = live.sample("a red apple", seed=1)
    assert {x.dtype for x in stage.pipe.unet.parameters()} == {torch.bfloat16}
    assert (first.x - again.x).abs().max() <= 1e-4
    codec = sum(x.nbytes for x in stage.pipe.vae.parameters())
    assert stage.held.master.weights_bytes == codec + sum(x.nbytes for x in stage.pipe.unet.parameters())


def kernels(run: Callable[[], object]) -> set[str]:
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        run()
    return {event.key.removeprefix("aten::_scaled_dot_product_") for event in seen.key_averages()} & {
        "flash_attention_for_cpu", "attention_math",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("lever", "kernel"), [("attention-flash", "flash_attention_for_cpu"), ("attention-math", "attention_math")]
)
def test_the_kernel_that_attends_is_the_one_that_was_asked_for(lever: str, kernel: str) -> None:
    network = tiny.unet(4).eval()
    call = unet_call(network)
    usual, plain = kernels(lambda: answered(network, call)), answered(network, call)
    undo = LEVERS[lever].pull(network)
    assert kernels(lambda: answered(network, call)) == {kernel}
    assert (answered(network, call) - plain).abs().max() <= 1e-5
    undo()
    assert kernels(lambda: answered(network, call)) == usual == {"flash_attention_for_cpu"}


def test_of_two_kernels_one_is_kept() -> None:
    network = tiny.unet(4).eval()
    trials = choose(network, unet_call(network), ("attention-flash", "attention-math"), moves=False)
    assert [trial.kept for trial in trials.values()] == [False, True], "the last that was fast enough"
    assert kernels(lambda: answered(network, unet_call(network))) == {"attention_math"}


def test_projections_are_fused_and_parted_again() -> None:
    network = tiny.unet(4).eval()
    call, names = unet_call(network), list(network.state_dict())
    plain = answered(network, call)
    undo = LEVERS["fused-projections"].pull(network)
    assert any("to_qkv" in name for name in network.state_dict())
    assert (answered(network, call) - plain).abs().max() <= 1e-5
    undo()
    assert list(network.state_dict()) == names
    assert torch.equal(answered(network, call), plain)


def test_projections_that_diffusers_cannot_fuse_are_not_tried() -> None:
    assert not LEVERS["fused-projections"].fits(tiny.if_unet(2))
    assert not LEVERS["fused-projections"].fits(nn.Linear(2, 2))
    assert LEVERS["fused-projections"].fits(tiny.wan().transformer)


def test_levers_go_on_top_of_each_other() -> None:
    network = tiny.unet(4).eval()
    call = unet_call(network)
    full = answered(network, call)
    names = ("channels-last", "bfloat16", "fused-projections", "attention-math")
    trials = choose(network, call, names, moves=False)
    assert [name for name, trial in trials.items() if trial.kept] == list(names)
    last = (answered(network, call) - full).abs().max() / full.square().mean().sqrt()
    assert trials["attention-math"].error == pytest.approx(float(last), rel=1e-6)
