"""The designer's questions: each planted weakness is named, and a sound cascade passes."""

from __future__ import annotations

from typing import Any

import pytest

from dynaxx.plan.checklist import Verdict, checklist
from dynaxx.spec.files import parse

NOISE = {"train_std": [0.0, 0.5], "std": 0.1}


def cascade(**changes: Any) -> dict[str, Any]:
    low = {"from": "base", "noise": NOISE}
    stages = [
        {"name": "base", "role": "base", "solver": {"steps": 20}, "out": {"size": [64, 64]}},
        {"name": "refine", "role": "refine", "inputs": {"low": low}, "solver": {"steps": 8}, "out": {"scale": 2}},
    ]
    data = {"kind": "emoji", "size": 128, "withheld": 0.1}
    return {"name": "x", "stages": stages, "budget": {"latency_s": 1.0, "memory_gib": 2.0}, "data": data, **changes}


def verdicts(spec: dict[str, Any], peak_gib: float | None = 1.0) -> dict[str, Verdict]:
    return {found.question: found.verdict for found in checklist(parse(spec), peak_gib=peak_gib)}


def test_a_sound_cascade_passes_every_question() -> None:
    assert set(verdicts(cascade()).values()) == {"pass"}


def with_stage(index: int, **keys: Any) -> dict[str, Any]:
    spec = cascade()
    spec["stages"][index] |= keys
    return spec


PLANTED = {
    "Are latency and memory stated?": (cascade(budget={"latency_s": 1.0}), "warn"),
    "Would one stage do?": (with_stage(0, out={"size": [16, 16]}), "warn"),
    "Is error propagation provided for?": (with_stage(1, inputs={"low": {"from": "base"}}), "fail"),
    "Pretrained, or from scratch?": (cascade(data=None), "warn"),
    "How will it be validated?": (cascade(data={"kind": "emoji", "size": 128, "withheld": 0.0}), "warn"),
    "Is the refine stage short enough?": (with_stage(1, solver={"steps": 20}), "warn"),
}


@pytest.mark.parametrize("question", PLANTED)
def test_a_planted_weakness_is_named(question: str) -> None:
    spec, verdict = PLANTED[question]
    assert verdicts(spec)[question] == verdict


def test_a_budget_that_does_not_do_fails() -> None:
    assert verdicts(cascade(), peak_gib=3.0)["Does it run inside its budget?"] == "fail"
    assert verdicts(cascade(), peak_gib=None)["Does it run inside its budget?"] == "warn"


def test_a_budget_that_is_stated_is_not_asked_for() -> None:
    found = {budget: checklist(parse(cascade(**({} if budget else {"budget": None}))))[2] for budget in (True, False)}
    assert "state budget.memory_gib" in found[False].reason
    assert found[True].reason == "Of 2 GiB: not every stage can be planned; dynaxx plan says why."


def test_generated_inputs_provide_for_errors_too() -> None:
    spec = with_stage(1, inputs={"low": {"from": "base"}}, train={"generated": 0.5})
    assert verdicts(spec)["Is error propagation provided for?"] == "pass"
