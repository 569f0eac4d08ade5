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


def piped(*calls: dict[str, Any], hand_std: float | None = None) -> str:
    """What is said of the length of a refine stage, of two pipelines that are called so."""
    low = {"from": "base"} | ({"via": "start", "hand": "noisy", "hand_std": hand_std} if hand_std else {})
    common = {"kind": "pipeline", "load": "a/b"}
    stages = [
        {"name": "base", "role": "base", "call": calls[0], "out": {"size": [64, 64]}, **common},
        {"name": "refine", "role": "refine", "inputs": {"low": low}, "call": calls[1], "out": {"scale": 4}, **common},
    ]
    found = checklist(parse({"name": "x", "condition": {"text": {}}, "stages": stages}))
    answer = next(one for one in found if one.question == "Is the refine stage short enough?")
    return f"{answer.verdict}: {answer.reason}"


def test_steps_of_pipelines_are_those_that_are_walked() -> None:
    steps = {"num_inference_steps": 40}
    assert piped({"num_inference_steps": 6}, {"num_inference_steps": 6}).startswith("warn: 6 steps after 6")
    assert piped(steps | {"denoising_end": 0.8}, steps | {"denoising_start": 0.8}).startswith("pass: 8 steps after 32")
    assert piped(steps, steps | {"strength": 0.3}).startswith("pass: 12 steps after 40")
    assert piped(steps, {}) == "warn: Not known: the file does not say how many steps refine will walk."
    assert "Not known" in piped(steps, steps, hand_std=7.0)


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
