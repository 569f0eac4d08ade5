"""What does not fit a cap is named with its parts, and each way out that is named does bring it below."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dynaxx.plan.table import Question, answer
from dynaxx.share.plan_room import room_lines

TEXT = """
name: two
stages:
  - name: base
    role: base
    network: {width: 16, mults: [1, 2], blocks: 1, attention: []}
    solver: {steps: 2}
    out: {size: [16, 16]}
  - name: up
    role: bridge
    from: base
    network: {width: 16, mults: [1, 2], blocks: 1, attention: []}
    solver: {steps: 2}
    out: {scale: 4}
"""
MIB = 2**20


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DYNAXX_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "two.yaml"
    path.write_text(TEXT, encoding="utf-8")
    return str(path)


def planned(file: str, cap: int, **more: Any) -> dict[str, Any]:
    given = {"samples": 8, "batch": 8, "device": "t4", **more}
    return answer(Question(file, memory_cap=cap, **given))


def with_option(said: str) -> dict[str, Any]:
    """A way out as a question's fields."""
    option, value = said.split(" ")
    if option == "--set":
        path, _, setting = value.partition("=")
        return {"settings": {path: setting}}
    return {option.removeprefix("--"): int(value)}


@pytest.mark.parametrize("device", ["t4", "cpu"])
@pytest.mark.parametrize("cap", [6 * MIB, 12 * MIB, 20 * MIB])
def test_each_way_out_does(file: str, cap: int, device: str) -> None:
    found = planned(file, cap, device=device)["misfits"]
    assert [one["node"] for one in found] == ["up"]
    assert found[0]["fixes"]
    for said in found[0]["fixes"]:
        after = planned(file, cap, device=device, **with_option(said))
        assert "up" not in [one["node"] for one in after["misfits"]], said


def test_the_batch_is_the_largest_that_does(file: str) -> None:
    batch = with_option(planned(file, 20 * MIB)["misfits"][0]["fixes"][0])["batch"]
    assert not planned(file, 20 * MIB, batch=batch)["misfits"]
    assert planned(file, 20 * MIB, batch=2 * batch)["misfits"]


def test_parts_add_up_to_what_is_held(file: str) -> None:
    for cap in (MIB // 2, 6 * MIB):
        for one in planned(file, cap)["misfits"]:
            parts = one["weights_bytes"] + one["workings_bytes"] + one["others_bytes"]
            assert parts == pytest.approx(one["peak_bytes"])
            assert one["peak_bytes"] > cap


def test_what_nothing_helps_is_said_to_be_so(file: str) -> None:
    plan = planned(file, 1000)
    assert [one["fixes"] for one in plan["misfits"]] == [(), ()]
    lines = room_lines(plan)
    assert lines[0].startswith("base: streamed block by block, ")
    assert lines[2].endswith(" No smaller batch, tile or number of samples does.")
    assert lines[-1] == "memory cap 1000\N{NO-BREAK SPACE}B: does not fit."


def test_on_a_cpu_mapped_weights_are_told_apart(file: str) -> None:
    plan = planned(file, 1000, device="cpu")
    assert [node["comes"] for node in plan["nodes"]] == ["mapped", "mapped"]
    for one, node in zip(plan["misfits"], plan["nodes"], strict=True):
        assert one["mapped_bytes"] == node["weights_bytes"] == one["weights_bytes"]
    assert "on a CPU is a mapped file" in room_lines(plan)[0]


def test_without_a_cap_nothing_is_said(file: str) -> None:
    plan = answer(Question(file, device="t4"))
    assert room_lines(plan) == []
    assert (plan["placement"], plan["misfits"], plan["streamed"]) == ("resident", [], [])


def test_what_fits_is_said_to_fit(file: str) -> None:
    plan = planned(file, 2**30)
    assert room_lines(plan) == ["memory cap 1\N{NO-BREAK SPACE}GiB: fits."]
