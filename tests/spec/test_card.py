"""The card's example runs as it stands, in the folder that it came with."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from dynaxx import Cascade, load, loads
from dynaxx.engine.runtime import Runtime
from dynaxx.spec.bundled import resolve
from dynaxx.spec.card import card

BASE = "{name: base, role: base, kind: gaussian, size: [16, 16], solver: {steps: 2}, out: {size: [8, 8]}}"
NETWORK = (
    "{name: base, role: base, network: {width: 8, mults: [1], attention: [0], blocks: 1}, "
    "solver: {steps: 2}, out: {size: [8, 8]}}"
)
CASES = {
    "a prompt that exact stages would not use": f"condition: {{text: {{}}}}\nstages: [{BASE}]",
    "a prompt": f"condition: {{text: {{}}}}\nstages: [{NETWORK}]",
    "a label": f"condition: {{label: {{classes: 3}}}}\nstages: [{NETWORK}]",
    "a field": f"condition: {{field: {{channels: 2}}}}\nstages: [{NETWORK}]",
    "a size": f"stages: [{BASE.replace(', out: {size: [8, 8]}', '')}]",
    "inputs": """inputs: {low-res: {size: [8, 8]}}
stages:
  - {name: up, role: bridge, kind: gaussian, size: [16, 16], solver: {steps: 2}, out: {scale: 2},
     inputs: {low: {from: input.low-res, resize: fourier, noise: {std: 0.1}}}}""",
}


def example(text: str) -> str:
    found = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert found
    return found[1]


def samples_of(code: str) -> Any:
    names: dict[str, Any] = {}
    exec(code, names)
    return names["samples"]


@pytest.mark.parametrize("text", CASES.values(), ids=CASES)
def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    spec = loads(f"name: saved\n{text}", "saved.yaml")
    runtime = Runtime(size=(4, 4)) if "out" not in text else Runtime()
    Cascade.from_spec(spec, runtime=runtime, fresh=True).save_pretrained(tmp_path)
    monkeypatch.chdir(tmp_path)
    samples = samples_of(example((tmp_path / "README.md").read_text(encoding="utf-8")))
    assert len(samples) == 1
    assert samples.x.isfinite().all()


def test_the_bundled_cascade_is_not_asked_for_a_prompt_it_does_not_know(tmp_path: Path) -> None:
    spec = load(resolve("emoji-exact"))
    assert spec.condition.text
    code = example(card(spec)).replace('"."', '"emoji-exact"')
    assert samples_of(code).x.shape == (1, 3, 64, 64)
