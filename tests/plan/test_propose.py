"""Twenty budgets, from a laptop to eight GPUs: each gives a sound cascade, or names what breaks and what would do."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dynaxx.errors import RunError, UsageError
from dynaxx.plan.money import prices
from dynaxx.plan.propose.choose import Proposal, propose
from dynaxx.plan.propose.target import Budget, Target
from dynaxx.plan.propose.weigh import Candidate, weigh
from dynaxx.plan.time.devices import Device
from dynaxx.share.proposal_page import render_proposal
from dynaxx.spec.files import dump, loads
from dynaxx.spec.graph import nodes
from dynaxx.spec.summary import describe

LAPTOP = Device("cpu", {"float32": 1e11}, 2e10, 16.0, 1e10, "a planted laptop")
POSSIBLE = [
    ((64, 64), {}, "cpu", 1), ((64, 64), {"latency_s": 5.0}, "cpu", 1), ((32, 32), {"memory_gib": 0.05}, "cpu", 1),
    ((64, 64), {"train_hours": 12.0}, "cpu", 1), ((64, 64), {"latency_s": 0.2, "memory_gib": 1.0}, "t4", 1),
    ((128, 128), {"latency_s": 1.0}, "t4", 1), ((256, 256), {"latency_s": 1.0, "memory_gib": 4.0}, "rtx-4090", 1),
    ((256, 256), {"train_hours": 24.0}, "rtx-4090", 1), ((512, 512), {"latency_s": 2.0}, "h100-sxm", 1),
    ((256, 256), {"train_cost_usd": 20.0}, "h100-sxm", 1), ((512, 512), {"train_hours": 24.0}, "h100-sxm", 8),
    ((256, 128), {"memory_gib": 2.0}, "a100-sxm-80gb", 8),
    pytest.param((16, 64, 64), {"latency_s": 5.0}, "h100-sxm", 8, marks=pytest.mark.slow),
    pytest.param((4096,), {"latency_s": 1.0}, "l4", 1, marks=pytest.mark.slow),
]  # fmt: skip
IMPOSSIBLE = [
    ((64, 64), {"latency_s": 1e-4}, "cpu", 1, ["latency_s"]),
    ((64, 64), {"memory_gib": 1e-3}, "cpu", 1, ["memory_gib"]),
    ((64, 64), {"train_hours": 0.01}, "cpu", 1, ["train_hours"]),
    ((256, 256), {"train_cost_usd": 0.001}, "h100-sxm", 1, ["train_cost_usd"]),
    ((256, 256), {"latency_s": 1e-3, "memory_gib": 1e-3}, "h100-sxm", 8, ["latency_s", "memory_gib"]),
    ((512, 512), {"latency_s": 1e-3}, "rtx-4090", 1, ["latency_s"]),
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def planted(tmp_path_factory: pytest.TempPathFactory) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DYNAXX_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr("dynaxx.plan.time.choose.calibrated", lambda device: LAPTOP)
        patch.setattr("dynaxx.plan.propose.shapes.WIDTHS", (16, 32))
        yield


def asked(size: tuple[int, ...], bounds: dict[str, float], device: str, devices: int) -> Proposal:
    return propose(Target(size), Budget(**bounds), device=device, devices=devices)


@pytest.mark.parametrize(("size", "bounds", "device", "devices"), POSSIBLE)
def test_a_possible_budget_gives_a_sound_cascade_inside_it(
    size: tuple[int, ...], bounds: dict[str, float], device: str, devices: int
) -> None:
    found = asked(size, bounds, device, devices)
    again = loads(dump(found.spec))
    assert describe(again).nodes
    assert nodes(again)[-1].grid.size == size
    assert all(found.best.value(bound) <= most for bound, most in bounds.items())
    assert found.single.shape.stages == 1
    assert all(reason.why and reason.source for reason in found.reasons)
    latencies = [one.latency_s.value for one in found.front]
    assert latencies == sorted(latencies)


@pytest.mark.parametrize(("size", "bounds", "device", "devices", "broken"), IMPOSSIBLE)
def test_an_impossible_budget_names_what_breaks_and_what_would_do(
    size: tuple[int, ...], bounds: dict[str, float], device: str, devices: int, broken: list[str]
) -> None:
    with pytest.raises(RunError) as refused:
        asked(size, bounds, device, devices)
    nearest = dict(re.findall(r"(\w+) [\d.e+-]+ \w+ \(nearest: ([\d.e+-]+)", str(refused.value)))
    assert sorted(nearest) == sorted(broken)
    asked(size, {**bounds, **{bound: float(value) for bound, value in nearest.items()}}, device, devices)


def test_what_no_device_can_hold_is_said() -> None:
    with pytest.raises(UsageError, match="16 sites"):
        Target((8, 8))


def test_the_file_of_a_proposal_is_written_and_passes_the_check(tmp_path: Path) -> None:
    from dynaxx.cli import run

    file = tmp_path / "mine.yaml"
    assert run(["plan", "--target", "64x64", "--latency", "5", "--device", "t4", "--out", str(file)]) == 0
    assert run(["check", str(file)]) == 0
    assert run(["plan", "--target", "64x64", "--device", "t4", "--out", str(file)]) == 2
    assert run(["plan", "--target", "64x64", "--latency", "0.000001", "--device", "t4"]) == 1


def test_a_wait_that_nobody_knows_keeps_no_latency(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights come and go at no known rate: such candidates are marked, and fit a latency bound no longer."""
    known = [one for one in asked((32, 32), {}, "cpu", 1).front if one.run.placement == "one-at-a-time"]
    bounds = {"latency_s": known[0].latency_s.value * 2, "memory_gib": known[0].memory_gib}
    assert asked((32, 32), bounds, "cpu", 1).best.run.placement == "one-at-a-time"
    monkeypatch.setattr(Device, "transfer", None)
    front = asked((32, 32), {"memory_gib": known[0].memory_gib}, "cpu", 1).front
    away = [one for one in front if one.run.placement == "one-at-a-time"]
    assert away
    for one in away:
        assert one.fetch_s is None
        assert one.breaks(Budget(latency_s=1e9)) == ["latency_s"]
        assert one.breaks(Budget()) == []
    assert front[-len(away) :] == tuple(away), "behind those whose latency is known"
    with pytest.raises(RunError, match=r"latency_s .*nothing tells the wait for weights.*memory_gib .*nearest"):
        asked((32, 32), bounds, "cpu", 1)


def test_it_is_said_where_no_latency_can_be_promised(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """Of cascades only those whose weights come and go are left, beside a single stage."""
    from dynaxx.cli import run

    monkeypatch.setattr(Device, "transfer", None)
    monkeypatch.setattr("dynaxx.plan.propose.choose.weigh", lambda *given: weigh(*given)[-1:])
    asked_for = ["plan", "--target", "32x32", "--device", "cpu"]
    assert run([*asked_for, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["best"]["fetch_s"] is None
    assert found["single"]["fetch_s"] == {"value": 0, "low": 0, "high": 0}
    assert any("wait for weights is unknown" in reason["why"] for reason in found["reasons"])
    assert "and an unknown wait for weights" in render_proposal(found)
    assert run(asked_for) == 0
    assert "waits unknown" in " ".join(capsys.readouterr().out.split())
    assert run([*asked_for, "--latency", "100", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["best"]["stages"]) == 1, "it alone is sure to keep it"
    monkeypatch.setattr("dynaxx.plan.propose.choose.weigh", unknown)
    assert run([*asked_for, "--latency", "100"]) == 1
    assert "nothing tells the wait for weights" in capsys.readouterr().err


def unknown(*given: Any) -> list[Candidate]:
    """Candidates of which nobody knows how long their weights take to come."""
    return [replace(one, fetch_s=None) for one in weigh(*given)]


def test_dollars_cannot_be_promised_where_nobody_says_what_a_device_costs() -> None:
    assert prices().get("rtx-4090") is None
    with pytest.raises(UsageError, match="nobody says what rtx-4090 costs"):
        propose(Target((64, 64)), Budget(train_cost_usd=1.0), device="rtx-4090")
