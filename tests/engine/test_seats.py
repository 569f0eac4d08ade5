"""Who holds what: by name, by what was measured or told, within each device's cap, and on record."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_pipelines import saved

from dynaxx import Cascade
from dynaxx.engine.move import weights_bytes
from dynaxx.engine.runtime import Runtime
from dynaxx.errors import RunError, UsageError
from dynaxx.plan.time.clock import ProbedClock
from dynaxx.plan.time.kept import keep
from dynaxx.plan.time.surface import Surface
from dynaxx.signal.device import accelerators
from dynaxx.spec.files import parse
from dynaxx.stage.stage import Request

TWO = ("cpu:0", "cpu:1")


class Weighty:
    """A stage that takes `seconds` a sample, and has `gib` of weights, which nobody sees."""

    RUNS: list[tuple[str, tuple[int, ...]]] = []

    def __init__(self, spec: Any, grid: Any) -> None:
        self.name, self.options = spec.name, spec.options
        self.network = torch.nn.Module()
        with torch.device("meta"):
            self.network.register_parameter("w", torch.nn.Parameter(torch.empty(int(self.options["mib"]), 2**18)))

    def run(self, request: Request) -> torch.Tensor:
        self.RUNS.append((self.name, request.draws.ids))
        time.sleep(self.options["seconds"] * len(request.draws.ids))
        return request.draws.normal("x", request.grid.shape)

    def to(self, device: torch.device) -> None:
        """What is nowhere stays there."""


def cascade(mib: tuple[int, ...], seconds: tuple[float, ...] = (0.0, 0.0, 0.0), **runtime: Any) -> Cascade:
    stages: list[dict[str, Any]] = []
    for name, size, each in zip(("a", "b", "c"), mib, seconds, strict=False):
        stage = {"name": name, "kind": "custom", "target": "test_seats:Weighty"}
        above = {"role": "bridge", "from": stages[-1]["name"]} if stages else {"role": "base"}
        stages.append(stage | {"options": {"mib": size, "seconds": each}, "out": {"size": [4, 4]}} | above)
    Weighty.RUNS.clear()
    return Cascade.from_spec(parse({"name": "x", "stages": stages}), runtime=Runtime(**runtime))


def test_what_is_slow_by_a_short_trial_is_replicated_and_no_sample_is_made_twice() -> None:
    live = cascade((4, 4), (0.004, 0.012), spread=("cpu:0", "cpu:1", "cpu:2"), memory_cap=6 * 2**20)
    first = live.sample(num=32, seed=5)
    assert first.trace.spread == {"a": ("cpu:0",), "b": ("cpu:1", "cpu:2")}
    assert first.trace.spread_by == "measured"
    assert first.trace.seats == "a on cpu:0; b on cpu:1, cpu:2 (by what they took when tried)"
    assert json.loads(json.dumps(first.trace.to_json()))["spread"] == {"a": ["cpu:0"], "b": ["cpu:1", "cpu:2"]}
    for name in ("a", "b"):
        assert sorted(k for who, ids in Weighty.RUNS if who == name for k in ids) == list(range(32))
    assert torch.equal(first.x, cascade((4, 4)).sample(num=32, seed=5).x)
    live.sample(num=32, seed=5)
    assert len(Weighty.RUNS[0][1]) > 1, "what was measured is known in the next run"


def test_the_least_runs_are_spread_too() -> None:
    for count in (1, 2, 3):
        live = cascade((1, 1), spread=TWO)
        assert torch.equal(live.sample(num=count).x, cascade((1, 1)).sample(num=count).x)
        assert sum(live.sample(num=count).trace.nodes[1].by_device.values()) == count


def test_a_list_of_one_device_is_that_device() -> None:
    live = cascade((1, 1), spread=("cpu:0",))
    trace = live.sample(num=2).trace
    assert (trace.device, trace.spread, trace.seats) == ("cpu:0", {}, "")
    assert [event.event for event in trace.events][-1] == "release a"


def test_all_accelerators_are_taken_and_the_cpu_where_there_are_none() -> None:
    runtime, have = Runtime(spread="auto"), accelerators()
    assert (runtime.devices, runtime.spreads, str(runtime.on)) == (have, len(have) > 1, [*have, "cpu"][0])
    assert str(Runtime().on) == str(runtime.on)


def test_a_stage_that_cannot_be_copied_has_no_replicas() -> None:
    live = cascade((1,), spread={"a": TWO})
    live.stages["a"].lock = threading.Lock()  # type: ignore[attr-defined]
    with pytest.raises(RunError, match=r"stage 'a': has no replicas, .*--devices a=DEVICE"):
        live.sample(num=4)


def test_every_device_holds_its_share_of_the_cap_and_no_more() -> None:
    small, cap = 4 * 2**20, 10 * 2**20  # 8 MiB for weights
    live = cascade((4, 4, 5), spread=TWO, memory_cap=cap)
    spread, sizes = live.sample(num=4).trace.spread, weights_bytes(live.stages)
    assert sizes["a"] == small
    for device in TWO:
        assert sum(sizes[name] or 0 for name, on in spread.items() if device in on) <= 0.8 * cap
    with pytest.raises(RunError, match=r"a \(0.00391 GiB\), b .* do not fit beside each other on cpu:0 .*--memory-cap"):
        cascade((4, 5, 5), spread=TWO, memory_cap=cap).sample()
    assert Weighty.RUNS == [], "told before anything is drawn"


def test_a_stage_that_no_device_can_hold_is_named() -> None:
    with pytest.raises(RunError, match=r"stage 'b': has 0.00879 GiB of weights, cpu:0 has room for 0.00781 GiB"):
        cascade((4, 9), spread=TWO, memory_cap=10 * 2**20).sample()
    with pytest.raises(RunError, match=r"stage 'b': has 0.00879 GiB of weights, cpu:1 has room for 0.00781 GiB"):
        cascade((4, 9), spread={"a": ("cpu:0",), "b": ("cpu:1",)}, memory_cap=10 * 2**20).sample()
    with pytest.raises(RunError, match=r"device cpu:1: holds 0.00781 GiB of weights, and is given a .*, b "):
        cascade((4, 5), spread={"a": ("cpu:1",), "b": ("cpu:1",)}, memory_cap=10 * 2**20).sample()


def test_a_pipeline_that_no_device_can_hold_is_streamed(tmp_path: Path) -> None:
    saved("sd", tmp_path)
    stage = {"name": "base", "role": "base", "kind": "pipeline", "load": "sd", "call": {"num_inference_steps": 2}}
    up = {"name": "up", "kind": "custom", "role": "bridge", "target": "test_seats:Weighty", "from": "base"}
    up |= {"options": {"mib": 0, "seconds": 0.0}}
    spec = parse({"name": "x", "condition": {"text": {}}, "stages": [stage | {"out": {"size": [16, 16]}}, up]})
    whole = Cascade.from_spec(spec, root=tmp_path)
    size = weights_bytes(whole.stages)["base"]
    assert size is not None
    capped = Cascade.from_spec(spec, root=tmp_path, runtime=Runtime(memory_cap=size, spread=TWO))
    samples = capped.sample("a red apple", num=3, keep=True)
    fetched = [event.event for event in samples.trace.events if event.event.startswith("stream")]
    assert set(fetched) == {"stream base on cpu:0"}
    assert samples.trace.spread == {"base": ("cpu:0",), "up": ("cpu:1",)}
    assert (samples.stages["base"] - whole.sample("a red apple", num=3, keep=True).stages["base"]).abs().max() <= 1e-5


def test_a_clock_that_knows_all_stages_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYNAXX_CACHE", str(tmp_path))
    point = Surface.of([(1.0,), (9.0,)], [1e-5, 1e-4])
    shaped = Surface.of([(2.0, 2.0, 5.0), (3.0, 3.0, 6.0)], [1e-4, 1e-3])
    keep(ProbedClock("made up", {"pointwise": point, "conv-2d-3-1": shaped, "mm": shaped}), torch.device("cpu"))
    network = {"width": 8, "mults": [1], "attention": []}
    base = {"name": "base", "role": "base", "network": network, "solver": {"steps": 2}, "out": {"size": [8, 8]}}
    up = {"name": "up", "role": "bridge", "network": network, "solver": {"steps": 8}, "from": "base"}
    spec = parse({"name": "x", "stages": [base, up]})
    live = Cascade.from_spec(spec, fresh=True, runtime=Runtime(spread=("cpu:0", "cpu:1", "cpu:2")))
    trace = live.sample(num=6).trace
    assert trace.spread_by == "clock"
    assert len(trace.spread["up"]) >= 2


def test_what_cannot_be_meant_is_refused() -> None:
    for spread, said in (("all", "'all' is unknown"), (("cpu", "nowhere"), "'nowhere' is no device")):
        with pytest.raises(UsageError, match=said):
            Runtime(spread=spread)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="one-at-a-time"):
        Runtime(spread=TWO, placement="one-at-a-time")
    with pytest.raises(UsageError, match=r"stage 'd': no such stage to spread. Known: a, b"):
        cascade((1, 1), spread={"d": ("cpu:0",)})
