"""Two workers hold what is planned for each, do the planned events, and their pace is that of the bottleneck."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from three_stages import three_stages
from torch.utils._python_dispatch import TorchDispatchMode

from dynaxx.engine.cascade import Cascade
from dynaxx.engine.runtime import Runtime
from dynaxx.engine.spread import Shift
from dynaxx.errors import RunError, UsageError
from dynaxx.plan.ops import is_view
from dynaxx.plan.spread import SpreadPlan, SpreadQuestion, plan_spread
from dynaxx.plan.time.devices import device_named
from dynaxx.plan.told import Teller
from dynaxx.plan.unpaced import Unpaced, unpaced
from dynaxx.spec.files import loads
from dynaxx.spec.graph import nodes

SPEC = loads(three_stages())
APART = {"base": ("cpu:0",), "bridge": ("cpu:0",), "refine": ("cpu:1",)}
TWICE = {"base": ("cpu:0",), "bridge": ("cpu:1",), "refine": ("cpu:0", "cpu:1")}
T4 = Teller(device_named("t4"), SPEC.condition)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYNAXX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("dynaxx.plan.profiles._kept", {})


class Live(TorchDispatchMode):
    """The bytes of the tensors that a thread makes, each from its making to when nothing needs it; the most at once."""

    def __init__(self) -> None:
        super().__init__()
        self.held = self.most = 0
        self._known: weakref.WeakKeyDictionary[Any, None] = weakref.WeakKeyDictionary()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if not is_view(func):
            given = {id(x.untyped_storage()) for x in args if isinstance(x, torch.Tensor)}
            for x in out if isinstance(out, (list, tuple)) else [out]:
                if isinstance(x, torch.Tensor) and id(x.untyped_storage()) not in given:
                    self._hold(x.untyped_storage())
        return out

    def _hold(self, storage: Any) -> None:
        if storage not in self._known:
            self._known[storage] = None
            self.held += storage.nbytes()
            self.most = max(self.most, self.held)
            weakref.finalize(storage, self._drop, storage.nbytes())

    def _drop(self, nbytes: int) -> None:
        self.held -= nbytes


def listening(patch: pytest.MonkeyPatch) -> dict[str, Live]:
    """What each worker's thread holds."""
    found: dict[str, Live] = {}
    work: Callable[[Shift, Any], None] = Shift._work

    def heard(self: Shift, worker: Any) -> None:
        found[worker.name] = Live()
        with found[worker.name]:
            work(self, worker)

    patch.setattr(Shift, "_work", heard)
    return found


def planned(devices: Any, *, kind: str = "cpu", samples: int = 16, batch: int = 64, **more: Any) -> SpreadPlan:
    teller = T4 if kind == "t4" else None
    return plan_spread(SPEC, nodes(SPEC), SpreadQuestion(devices, kind, samples, batch, **more), teller)


@pytest.mark.parametrize("spread", [APART, TWICE], ids=["apart", "replicas"])
def test_each_worker_holds_what_is_planned(spread: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Live tensors of two threads: those of their work beside the weights that are theirs.

    They are held against the plan of two GPUs, which is that of tensors alone: a CPU's kernels make copies beside them.
    """
    live = Cascade.from_spec(SPEC, runtime=Runtime(device="cpu", spread=spread), fresh=True)
    live.sample("a", num=16)
    heard = listening(monkeypatch)
    live.sample("a", num=16)
    plan = planned({name: tuple(on.replace("cpu", "cuda") for on in some) for name, some in spread.items()}, kind="t4")
    heard = {name.replace("cpu", "cuda"): found for name, found in heard.items()}
    assert [one.device for one in plan.devices] == sorted(heard)
    for one in plan.devices:
        weights = sum(p.numel() * 4 for name in one.stages for p in live.stages[name].network.parameters())  # type: ignore[attr-defined]
        assert one.weights_bytes == weights
        assert one.peak_bytes == pytest.approx(heard[one.device].most + weights, rel=0.02)


@pytest.mark.parametrize("cap", [None, 10**8], ids=["free", "capped"])
@pytest.mark.parametrize("spread", [APART, TWICE, {"refine": ("cpu:1",)}, {"bridge": ("cpu:1", "cpu:2")}], ids=str)
def test_the_events_are_those_of_the_run(tmp_path: Path, spread: Any, cap: int | None) -> None:
    folder = Cascade.from_spec(SPEC, fresh=True).save_pretrained(tmp_path / "three")
    runtime = Runtime(device="cpu", spread=spread, memory_cap=cap) if len(spread) > 1 else Runtime(spread=spread)
    live = Cascade.from_pretrained(folder, runtime=runtime)
    trace = live.sample("a", num=7).trace
    plan = planned(spread, samples=7, cap_bytes=cap)
    assert [str(event) for event in plan.run.events] == [event.event for event in trace.events]
    assert {name: tuple(on) for name, on in plan.spread.items()} == dict(trace.spread)
    assert plan.batch == max(node.batch_size for node in trace.nodes)


def test_answers_stay_in_the_machines_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    empty = torch.empty

    def noted(*size: int, **more: Any) -> torch.Tensor:
        found = empty(*size, **more)
        if threading.current_thread() is threading.main_thread() and len(size) == 4:
            made.append(found.untyped_storage().nbytes())
        return found

    live = Cascade.from_spec(SPEC, runtime=Runtime(device="cpu", spread=APART), fresh=True)
    monkeypatch.setattr("dynaxx.engine.spread.torch.empty", noted)
    live.sample("a", num=16)
    host = planned(APART).host
    asked = 16 * 4 * (16 * 4 + 1)
    assert host.answers_bytes == sum(made) + asked
    assert host.workers_bytes == sum(one.peak_bytes for one in planned(APART).devices)
    apart = {"base": ("cuda:0",), "bridge": ("cuda:0",), "refine": ("cuda:1",)}
    assert planned(apart, kind="t4").host.workers_bytes == 0


def test_the_pace_is_the_slowest_stages_over_its_devices() -> None:
    """With a stage on each device it is max(t / replicas); the run is a batch's way and the rest at that pace."""
    three = {"base": ("cuda:0",), "bridge": ("cuda:1",), "refine": ("cuda:2", "cuda:3")}
    plan = planned(three, kind="t4", samples=64)
    told = {
        one.node.stage.name: T4.seconds(one.node, one.profile, one.work, samples=8, batch=8).value / 8
        for one in plan.run.nodes
        if one.profile
    }
    pace = plan.pace
    assert plan.batch == 8
    assert pace.bottleneck_s is not None
    assert pace.way_s is not None
    assert pace.run_s is not None
    assert pace.way_s.value == pytest.approx(sum(told.values()))
    assert pace.bottleneck_s.value == pytest.approx(max(told["base"], told["bridge"], told["refine"] / 2))
    assert pace.run_s.value == pytest.approx(8 * pace.way_s.value + 56 * pace.bottleneck_s.value)
    assert pace.bottleneck_s.low < pace.bottleneck_s.value < pace.bottleneck_s.high


def test_devices_in_a_list_are_given_their_stages_by_the_clock() -> None:
    plan = planned(("cuda:0", "cuda:1"), kind="t4", samples=64)
    assert plan.by == "clock"
    assert set(plan.spread) == {"base", "bridge", "refine"}
    assert {one.device for one in plan.devices} == {"cuda:0", "cuda:1"}
    pace = plan.pace
    assert pace.bottleneck_s is not None
    assert pace.way_s is not None
    assert pace.bottleneck_s.value < 0.75 * pace.way_s.value


def test_workers_on_a_cpu_share_it() -> None:
    assert planned(APART).pace.bottleneck_s is None
    with pytest.raises(UsageError, match="base=cuda:0"):
        planned(("cpu:0", "cpu:1"))


def test_a_stage_that_no_device_can_hold_is_streamed() -> None:
    weights = {one.node.stage.name: one.weights for one in planned(APART).run.nodes}
    large = max(weights, key=lambda name: weights[name])
    cap = int(weights[large] / 0.8) - 1000
    spread = {name: ("cuda:0",) if name == large else ("cuda:1" if name == "base" else "cuda:2",) for name in weights}
    plan = planned(spread, kind="t4", cap_bytes=cap)
    first = next(one for one in plan.devices if one.stages == (large,))
    assert first.streamed == (large,)
    assert first.weights_bytes == 0
    assert f"stream {large} on cuda:0" in map(str, plan.run.events)
    assert plan.host.masters_bytes == weights[large]
    (node,) = [one for one in plan.run.nodes if one.node.stage.name == large]
    assert plan.unpaced.brought_bytes == {large: node.brought_bytes}
    assert node.brought_bytes > 0
    assert planned(APART).unpaced == Unpaced({}, {})
    with pytest.raises(RunError, match=r"holds .* of weights, and is given"):
        planned(dict.fromkeys(weights, ("cuda:0",)), kind="t4", cap_bytes=cap)


@pytest.mark.parametrize(
    ("kind", "sizes", "found"),
    [
        ("cuda", (80, 16), {"cuda:0": "Large, 80 GiB", "cuda:1": "Small, 16 GiB"}),
        ("cuda", (16, 16), {}),
        ("t4", (80, 16), {}),
    ],
    ids=["unlike", "alike", "told what they are"],
)
def test_devices_that_are_unlike_are_said(
    monkeypatch: pytest.MonkeyPatch, kind: str, sizes: tuple[int, int], found: dict[str, str]
) -> None:
    size_of = {torch.device("cuda", i): size * 2**30 for i, size in enumerate(sizes)}
    monkeypatch.setattr("dynaxx.plan.unpaced.accelerators", lambda: ("cuda:0", "cuda:1"))
    monkeypatch.setattr("dynaxx.plan.unpaced.total_bytes", size_of.get)
    monkeypatch.setattr("dynaxx.plan.unpaced.name_of", lambda on: "Large" if size_of[on] > 2**35 else "Small")
    assert unpaced((), ("cuda:0", "cuda:1", "cpu:0"), kind).unlike == found


@pytest.mark.parametrize(
    ("devices", "said"),
    [({"bse": ("cpu:0",)}, "Did you mean 'base'"), (("nowhere", "cpu:1"), "'nowhere' is no device")],
)
def test_what_is_not_there_is_named(devices: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        planned(devices)
