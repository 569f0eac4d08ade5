"""The smoke versions of the benchmarks of pretrained pipelines run, and give the figures that are promised."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def figures(name: str, *words: str) -> dict[str, float]:
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / f"{name}.py", "--quick", "--json", *words],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["benchmark"] == name
    for result in found["results"]:
        assert 0 <= result["low"] <= result["value"] <= result["high"]
    return {result["name"]: result["value"] for result in found["results"]}


def test_pipelined() -> None:
    found = figures("pipelined", "--wait")
    assert set(found) == {"share_of_bound", "speed_vs_one_worker", "share_of_bound_replicas"}
    assert found["speed_vs_one_worker"] > 1.2


@pytest.mark.slow
def test_memory_cap() -> None:
    names = {"time_vs_resident", "speed_vs_offload_loop", "speed_vs_offload_batch"}
    assert set(figures("memory_cap", "--device", "cpu")) == names


@pytest.mark.slow
def test_throughput() -> None:
    names = {"speed_vs_diffusers", "lever_batch", "speed_vs_prompt_loop", "guidance_interval"} | {
        "lever_channels-last",
        "lever_bfloat16",
    }
    assert set(figures("throughput", "--device", "cpu")) == names


@pytest.mark.slow
def test_caches() -> None:
    found = figures("caches", "--device", "cpu")
    assert set(found) == {f"{name}_at_{threshold}" for name in ("speed", "error") for threshold in (0.05, 0.1)}
