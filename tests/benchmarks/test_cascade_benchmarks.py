"""The smoke versions of what measures the bundled cascade run, and their last lines hold the promised figures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dynaxx.data.glyph import find_font
from dynaxx.errors import DataError

ROOT = Path(__file__).parents[2]


def has_font() -> bool:
    try:
        find_font()
    except DataError:
        return False
    return True


pytestmark = [pytest.mark.slow, pytest.mark.skipif(not has_font(), reason="needs a colour-emoji font")]


def quick(name: str) -> dict[str, dict]:
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / f"{name}.py", "--quick", "--json"],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=600, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["benchmark"] == name
    return {result["name"]: result for result in found["results"]}


def test_what_is_asked_for_is_drawn_and_chance_is_far_below() -> None:
    found = quick("prompt_hits")
    assert found["hit_rate"]["value"] >= 0.8
    assert found["ceiling"]["value"] >= 0.95
    assert found["chance"]["value"] <= 0.2


def test_shuffled_inputs_raise_the_loss() -> None:
    found = quick("shuffled_inputs")
    assert found["loss_shuffled_over_own_bridge"]["low"] > 1
    assert found["loss_shuffled_over_own_refine"]["low"] > 1


def test_the_gap_of_told_and_untold_bridges_is_compared_where_each_is_best() -> None:
    found = quick("told_level")
    assert found["best_level_told"]["value"] == found["best_level_untold"]["value"] == 0.1  # the one that is tried
    assert found["gap_told_minus_untold"]["n"] == 1
    assert found["gap_told_minus_untold_at_0.1"]["value"] != 0
