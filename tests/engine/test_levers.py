"""Levers are tried on a real call, kept only where they make it faster and leave its answer, and are on record."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from changed_networks import CALL, CLOCK, Slow, changing, nothing, tried
from diffusers.models.unets.unet_2d_condition import UNet2DConditionOutput
from tiny_pipelines import saved
from torch import Tensor, nn
from torch.nn.attention import SDPBackend

from dynaxx import Cascade
from dynaxx.engine.runtime import Runtime
from dynaxx.errors import RunError, UsageError
from dynaxx.spec.files import parse
from dynaxx.stage.levers import choose as chosen
from dynaxx.stage.levers import timed as clocked
from dynaxx.stage.levers.attention import attending
from dynaxx.stage.levers.captured import captured
from dynaxx.stage.levers.choose import choose
from dynaxx.stage.levers.compiled import answer_apart, apart, graphs
from dynaxx.stage.levers.convolution import searched
from dynaxx.stage.levers.lever import Lever, Undo, around
from dynaxx.stage.levers.table import LEVERS
from dynaxx.stage.pipeline import held

STAGE: dict[str, Any] = {
    "name": "base", "role": "base", "kind": "pipeline", "load": "sd", "call": {"num_inference_steps": 2},
    "out": {"size": [16, 16]},
}  # fmt: skip


def broken(network: Any) -> Undo:
    raise RuntimeError("no compiler")


def test_what_is_faster_is_kept_and_what_answers_otherwise_or_fails_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Slow()
    found = tried(
        monkeypatch, network, idle=Lever(nothing), quick=Lever(changing(2.0)), wrong=Lever(changing(0.5, 1.0)),
        broken=Lever(broken),
    )  # fmt: skip
    assert found == {
        "idle": (1.0, 0.0, False), "quick": (4.0, 0.0, True), "wrong": (4.0, 0.5, False), "broken": (0.0, None, False),
    }  # fmt: skip
    assert (network.pause, network.shift) == (2.0, 0.0)


def test_a_lever_says_how_far_answers_may_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    loose = Lever(changing(4.0, 0.1), within=0.06)
    found = tried(monkeypatch, loose=loose, later=Lever(changing(2.0, 0.1)), strict=Lever(changing(1.0, 0.2)))
    assert found["loose"] == (2.0, pytest.approx(0.05), True)
    assert found["later"] == (2.0, pytest.approx(0.05), True), "what was kept before it is no fault of it"
    assert not found["strict"][2]


class Layers(nn.Module):
    """A network of layers that each take the same."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Slow() for _ in range(10))

    def forward(self, x: Tensor, *, scale: float) -> tuple[Tensor]:
        for layer in self.layers:
            x = layer(x, scale=scale)[0]
        return (x,)


def slower(network: Any) -> Undo:
    for layer in network.layers:
        layer.pause *= 100
    return nothing(network)


def test_a_hopeless_lever_is_left_midway_through_its_first_call(monkeypatch: pytest.MonkeyPatch) -> None:
    began_s = CLOCK.now_s
    found = tried(monkeypatch, Layers(), slower=Lever(slower))
    took_s = CLOCK.now_s - began_s - 7 * 80
    assert found["slower"] == (0.1, None, False), "one layer of ten had taken ten times as long as all before"
    assert took_s == 800, "and no other layer was waited for"


def test_what_is_slow_to_start_may_take_long_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(network: Any) -> Undo:
        for layer in network.layers:
            layer.pause = 1.0
        network.layers[0].register_forward_pre_hook(first)
        return nothing(network)

    def first(layer: Any, given: Any) -> None:
        if not waited:
            CLOCK.now_s += 1e4
            waited.append(1)

    waited: list[int] = []
    assert tried(monkeypatch, Layers(), late=Lever(late, slow_start=True))["late"] == (8.0, 0.0, True)


@pytest.mark.parametrize(("second", "kept"), [(1.0, ["later"]), (4.0, ["sooner"]), (1.99, ["sooner"])])
def test_of_a_group_one_is_kept(monkeypatch: pytest.MonkeyPatch, second: float, kept: list[str]) -> None:
    network = Slow()
    rivals = {"sooner": Lever(changing(2.0), group="x"), "later": Lever(changing(second), group="x")}
    found = tried(monkeypatch, network, **rivals)
    assert [name for name, (_, _, is_kept) in found.items() if is_kept] == kept
    assert network.pause == (second if kept == ["later"] else 2.0)


def test_a_rival_that_cannot_be_pulled_again_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory that sufficed the first time runs out half-way: the network is as without it, and later ones are tried."""
    network, pulls = Slow(), list[str]()

    def scarce(network: Any) -> Undo:
        pulls.append("scarce")
        if len(pulls) > 1:
            network.weight.data = network.weight.data.half()
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")
        return changing(2.0)(network)

    found = tried(
        monkeypatch, network, scarce=Lever(scarce, group="x"), worse=Lever(changing(4.0), group="x"),
        later=Lever(changing(4.0)),
    )  # fmt: skip
    assert pulls == ["scarce", "scarce"]
    assert found == {"scarce": (4.0, 0.0, False), "worse": (0.5, 0.0, False), "later": (2.0, 0.0, True)}
    assert (network.pause, network.weight.dtype) == (4.0, torch.float32)


def test_what_a_device_does_not_have_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tried(monkeypatch, quick=Lever(changing(2.0), on=("cuda",))) == {}
    assert tried(monkeypatch, quick=Lever(changing(2.0), fits=lambda network: False)) == {}
    monkeypatch.setitem(LEVERS, "quick", Lever(changing(2.0), moves=False))
    assert choose(Slow(), CALL, ("quick",), moves=True) == {}


def test_the_first_call_is_captured_and_the_rest_is_left() -> None:
    network, after = Slow(), []

    def run() -> None:
        network(torch.zeros(1), scale=3.0)
        after.append(1)

    call = captured(network, run)
    assert call is not None
    assert torch.equal(call.args[0], torch.zeros(1))
    assert call.named == {"scale": 3.0}
    assert after == []
    assert network(torch.zeros(1), scale=3.0)[0] == 0, "the network is as it was"
    assert captured(network, lambda: None) is None, "it was never called"


@pytest.mark.parametrize("named", [False, True])
def test_a_replay_does_not_write_over_the_answer_before(named: bool) -> None:
    """A network that is replayed as a graph is: its answers all lie in one place."""
    place = torch.zeros(2)

    def replay(x: Tensor) -> Any:
        place.copy_(x)
        return UNet2DConditionOutput(sample=place) if named else (place,)

    answering = answer_apart(replay)
    first, second = (answering(torch.full((2,), x)) for x in (1.0, 2.0))
    assert type(first) is (UNet2DConditionOutput if named else tuple)
    assert first[0].tolist() == [1, 1]
    assert second[0].tolist() == [2, 2]


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore")
def test_on_a_gpu_a_graph_does_not_write_over_the_answer_before() -> None:
    network = nn.Linear(64, 64).cuda().eval()
    xs = [torch.full((4, 64), float(i), device="cuda") for i in range(6)]
    with torch.no_grad():
        truth = [network(x) for x in xs]
        graphs(network)
        found = [network(x) for x in xs]
    assert all(torch.allclose(x, y, atol=1e-4) for x, y in zip(found, truth, strict=True))


def cascade(root: Path, device: str, *levers: str, **more: Any) -> Cascade:
    saved("sd", root)
    spec = parse({"name": "x", "condition": {"text": {}}, "stages": [STAGE]})
    return Cascade.from_spec(spec, root=root, runtime=Runtime(device=device, levers=levers, **more))


@pytest.mark.parametrize("placement", ["resident", "one-at-a-time"])
def test_a_pipeline_is_the_same_with_levers_and_its_trace_says_which(tmp_path: Path, placement: Any) -> None:
    live = cascade(tmp_path, "cpu", "channels-last", placement=placement)
    first, again = (live.sample("a red apple", seed=1) for _ in range(2))
    plain = cascade(tmp_path, "cpu").sample("a red apple", seed=1)
    assert (first.x - plain.x).abs().max() <= 1e-3
    assert first.trace.nodes[0].calls[0]["levers"] == again.trace.nodes[0].calls[0]["levers"], "tried once"
    assert set(first.trace.nodes[0].calls[0]["levers"]) == {"channels-last"}
    assert "levers" not in plain.trace.nodes[0].calls[0]


def test_the_layout_that_was_found_stays_where_weights_come_and_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held, "on_its_own", lambda device: True)
    monkeypatch.setattr(chosen, "FASTER", 0.0)  # whatever the machine says, it is kept
    monkeypatch.setattr(clocked, "PATIENCE", 1e6)  # however busy it is
    live = cascade(tmp_path, "cpu", "channels-last", placement="one-at-a-time")
    layouts: list[bool] = []

    def look(network: Any, *_: Any) -> None:
        layouts.append(network.conv_in.weight.is_contiguous(memory_format=torch.channels_last))

    first = live.sample("a red apple", seed=1)
    assert first.trace.nodes[0].calls[0]["levers"]["channels-last"]["kept"]
    stage: Any = live.stages["base"]
    stage.pipe.unet.register_forward_pre_hook(look)
    again = live.sample("a red apple", seed=1)
    assert layouts == [True, True], "of the second run's two steps"
    assert (first.x - again.x).abs().max() <= 1e-4


@pytest.mark.parametrize("call", [{"timesteps": [5, 3]}, {"cross_attention_kwargs": 3}, {"clip_skip": 99}])
@pytest.mark.parametrize("levers", [(), ("channels-last",)])
def test_arguments_that_a_pipeline_refuses_are_one_error(
    tmp_path: Path, call: dict[str, Any], levers: tuple[str, ...]
) -> None:
    live = cascade(tmp_path, "cpu", *levers).with_settings({f"base.call.{key}": value for key, value in call.items()})
    with pytest.raises(RunError, match=r"stage 'base': the pipeline refuses \("):
        live.sample("a red apple")


def test_levers_and_answers_that_are_kept_do_not_go_together() -> None:
    codecs = {"ltx": {"load": "ltx/vae", "channels": 8}}
    stage = STAGE | {"cache": {}, "out": {"channels": 8, "size": [2, 8, 8], "space": "ltx"}}
    spec = parse({"name": "x", "condition": {"text": {}}, "codecs": codecs, "stages": [stage]})
    with pytest.raises(UsageError, match=r"levers: .* stage 'base' keeps answers \(`cache`\).* --lever"):
        Cascade.from_spec(spec, runtime=Runtime(device="cpu", levers=("channels-last",)))


@pytest.mark.filterwarnings("ignore")  # of torch's own compiler
def test_each_network_is_compiled_whatever_wraps_its_calls() -> None:
    """Torch compiles a piece of code eight times, and what a lever wraps calls in is one piece for all networks."""
    networks = [nn.Linear(4, 4).eval() for _ in range(10)]
    torch._dynamo.reset()
    with torch._dynamo.config.patch(fail_on_recompile_limit_hit=True), torch.no_grad():
        for network in networks:
            attending(SDPBackend.MATH)(network)
            around(network, lambda answering: torch.compile(apart(answering), backend="eager"))
            for count in (2, 3):
                x = torch.ones(count, 4)
                assert torch.equal(network(x), nn.functional.linear(x, network.weight, network.bias))
    torch._dynamo.reset()


def test_cudnn_searches_for_one_network_and_not_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    seen: list[bool] = []
    network = nn.Linear(2, 2)
    network.register_forward_pre_hook(lambda *_: seen.append(torch.backends.cudnn.benchmark))
    undo = searched(network)
    network(torch.zeros(1, 2))
    with pytest.raises(RuntimeError):
        network(torch.zeros(1, 3))
    assert not torch.backends.cudnn.benchmark, "what fails leaves it as it was"
    undo()
    network(torch.zeros(1, 2))
    assert seen == [True, True, False]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch's compiler needs one for C++")
@pytest.mark.filterwarnings("ignore")
def test_a_compiled_network_gives_the_same_picture(tmp_path: Path) -> None:
    samples = cascade(tmp_path, "cpu", "compile").sample("a red apple", seed=1)
    assert samples.trace.nodes[0].calls[0]["levers"]["compile"]["error"] <= 1e-3, "it ran, and answered the same"
    assert (samples.x - cascade(tmp_path, "cpu").sample("a red apple", seed=1).x).abs().max() <= 1e-3


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("lever", sorted(LEVERS))
def test_levers_on_a_gpu(tmp_path: Path, lever: str) -> None:
    live = cascade(tmp_path, "cuda", lever)
    samples = live.sample("a red apple", seed=1)
    trials = samples.trace.nodes[0].calls[0]["levers"]
    assert set(trials) == ({lever} if LEVERS[lever].fits(live.stages["base"].pipe.unet) else set())  # type: ignore[attr-defined]
    assert all(trial["error"] is not None for trial in trials.values()), "it ran"
    plain = cascade(tmp_path, "cuda").sample("a red apple", seed=1)
    assert (samples.x - plain.x).abs().max() <= max(1e-2, LEVERS[lever].within)
    assert torch.equal(live.sample("a red apple", seed=1).x, live.sample("a red apple", seed=1).x)


def test_a_lever_that_cannot_be_meant_is_named() -> None:
    with pytest.raises(UsageError, match="levers: 'turbo' is unknown"):
        Runtime(levers=("turbo",))


SPREADS = [("cpu:0", "cpu:1"), {"base": ("cpu",)}]


@pytest.mark.parametrize("spread", SPREADS, ids=["list", "by name"])
def test_only_levers_of_one_network_go_with_several_devices(spread: Any) -> None:
    """Kernels of attention and cuDNN's search belong to the process, CUDA graphs to the thread that recorded them."""
    refused = {name for name in LEVERS if name.startswith("attention-")} | {"cudnn-search", "cuda-graphs"}
    for name in refused:
        assert Runtime(levers=(name,), spread=("cpu",)).levers == (name,), "one device alone"
        with pytest.raises(
            UsageError, match=f"levers: '{name}' .* each device works in a thread of its own. Leave out"
        ):
            Runtime(levers=(name,), spread=spread)
    for name in set(LEVERS) - refused:
        assert Runtime(levers=(name,), spread=spread).levers == (name,)
