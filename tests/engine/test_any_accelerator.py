"""Cascades on an accelerator of an unknown maker, with float64 and without: the CPU's samples, the CPU's training."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_pipelines import saved
from torch import Tensor, nn

from dynaxx import Cascade
from dynaxx.engine.runtime import Runtime
from dynaxx.errors import RunError
from dynaxx.spec.files import parse
from dynaxx.stage.levers.captured import Call
from dynaxx.stage.levers.choose import choose
from dynaxx.stage.levers.table import LEVERS
from soft_device.module import Soft

NET = {"kind": "unet", "width": 8, "mults": [1, 2], "blocks": 1, "attention": [1]}
BRIDGE = {"noise": {"std": 0.1}, "blur": {"std": 0.5}}
OURS: dict[str, Any] = {
    "name": "ours", "stages": [
        {"name": "base", "role": "base", "network": NET, "solver": {"steps": 2}, "out": {"size": [8, 8]}},
        {"name": "up", "role": "bridge", "network": NET, "process": {"kind": "ddpm-linear"}, "solver": {"steps": 2},
         "inputs": {"low": {"from": "base", **BRIDGE}}, "out": {"scale": 2}},
    ],
}  # fmt: skip
TABLED = {
    "kind": "diffusers", "model": "UNet2DModel", "timesteps": {"kind": "scaled-linear"},
    "config": {
        "block_out_channels": [8, 8], "layers_per_block": 1, "norm_num_groups": 4, "attention_head_dim": 4,
        "down_block_types": ["DownBlock2D"] * 2, "up_block_types": ["UpBlock2D"] * 2,
    },
}  # fmt: skip
FOREIGN: dict[str, Any] = {
    "name": "foreign",
    "stages": [{"name": "base", "role": "base", "network": TABLED, "solver": {"steps": 2}, "out": {"size": [8, 8]}}],
}
EXACT = {"kind": "gaussian", "size": [16, 16], "solver": {"steps": 3}}
GAUSSIAN: dict[str, Any] = {
    "name": "gaussian", "stages": [
        EXACT | {"name": "base", "role": "base", "out": {"size": [8, 8]}},
        EXACT | {"name": "up", "role": "bridge", "out": {"scale": 2},
                 "inputs": {"low": {"from": "base", "resize": {"hw": "fourier"}, "noise": {"std": 0.1}}}},
    ],
}  # fmt: skip
PIPELINE = {
    "name": "wrapped", "condition": {"text": {}}, "stages": [
        {"name": "base", "role": "base", "kind": "pipeline", "load": "sd", "call": {"num_inference_steps": 2},
         "out": {"size": [16, 16]}},
    ],
}  # fmt: skip

FEW = {f"{stage}.solver.steps": 2 for stage in ("base", "bridge", "refine")}


@pytest.fixture(params=[True, False], ids=["float64", "no float64"])
def device(request: pytest.FixtureRequest, soft_device: Soft) -> Iterator[Soft]:
    soft_device.show(True, float64=request.param)
    yield soft_device
    soft_device.show(True)


def close(x: Tensor, due: Tensor) -> None:
    assert x.isfinite().all()
    assert (x.cpu() - due).abs().max() <= 1e-4


@pytest.mark.parametrize("data", [OURS, FOREIGN, GAUSSIAN], ids=lambda data: data["name"])
def test_the_machines_accelerator_is_taken_and_draws_the_same(
    device: Soft, tmp_path: Path, data: dict[str, Any]
) -> None:
    Cascade.from_spec(parse(data), fresh=True).save_pretrained(tmp_path)
    due = Cascade.from_pretrained(tmp_path, runtime=Runtime(device="cpu")).sample(num=3, seed=1)
    found = Cascade.from_pretrained(tmp_path).sample(num=3, seed=1)
    assert (found.x.device, found.trace.device) == (torch.device("soft:0"), "soft:0")
    close(found.x, due.x)
    assert all(0 < node.peak_gib * 2**30 < 2**25 for node in found.trace.nodes), "the device's, not the process's"
    assert all(event.grew_bytes is not None for event in found.trace.events)
    both = Cascade.from_pretrained(tmp_path, runtime=Runtime(spread="auto")).sample(num=3, seed=1)
    assert {on for devices in both.trace.spread.values() for on in devices} <= {"soft:0", "soft:1"}
    close(both.x, due.x)


@pytest.mark.parametrize("data", [OURS, FOREIGN, GAUSSIAN], ids=lambda data: data["name"])
def test_a_walk_never_waits_for_the_accelerator(soft_device: Soft, data: dict[str, Any]) -> None:
    """From step to step the machine reads nothing back, and copies nothing that it would have to wait for."""
    live, waits = Cascade.from_spec(parse(data), fresh=True), dict[str, list[int]]()
    live.sample(num=2, seed=1)
    live.sample(num=2, seed=1, on_step=lambda name, step: waits.setdefault(name, []).append(soft_device.waits()))
    assert {name: counts[-1] - counts[0] for name, counts in waits.items()} == dict.fromkeys(waits, 0)
    assert all(len(counts) > 1 for counts in waits.values())


def test_stored_signals_are_compared_in_float64_wherever_it_is(device: Soft) -> None:
    due = (
        Cascade.from_pretrained("emoji-exact", runtime=Runtime(device="cpu")).with_settings(FEW).sample("pizza", num=2)
    )
    found = Cascade.from_pretrained("emoji-exact").with_settings(FEW).sample("pizza", num=2)
    assert found.x.device == torch.device("soft:0")
    close(found.x, due.x)


def test_a_pretrained_pipeline_draws_the_same(device: Soft, tmp_path: Path) -> None:
    saved("sd", tmp_path)
    due, found = (
        Cascade.from_spec(parse(PIPELINE), root=tmp_path, runtime=Runtime(device=name)).sample("a red apple", seed=1)
        for name in ("cpu", None)
    )
    assert found.x.device == torch.device("soft:0")
    close(found.x, due.x)


def test_more_signals_than_the_device_has_room_for_are_refused_at_once(soft_device: Soft) -> None:
    live = Cascade.from_spec(parse(OURS), fresh=True)
    soft_device.set_total_memory(2**20, 0)
    with pytest.raises(RunError, match=r"need .* GiB are free\. Ask for fewer samples"):
        live.sample(num=2000)


def test_levers_that_need_no_certain_device_are_tried(soft_device: Soft) -> None:
    network, x = nn.Conv2d(3, 4, 3).to("soft"), torch.randn(1, 3, 8, 8).to("soft")
    found = choose(network, Call((x,), {}), tuple(LEVERS), moves=False)
    assert set(found) == {"channels-last", "bfloat16", "float16", "attention-math"}
    assert {str(weights.device) for weights in network.parameters()} == {"soft:0"}


TRAINS = """
import json, sys
import torch
from soft_device import load

soft = load()
soft.begin()
from dynaxx.spec.files import parse
from dynaxx.train.run import train

spec = parse(json.loads(sys.argv[1]))
torch.manual_seed(5)
before = soft.get_rng_state(0)
for name, device, float64 in (("wide", None, True), ("narrow", None, False), ("cpu", "cpu", True)):
    soft.show(True, float64=float64)
    train(spec, out=f"{sys.argv[2]}/{name}", device=device)
    assert device == "cpu" or torch.equal(before, soft.get_rng_state(0)), "the caller's draws"
assert soft.max_memory_allocated(0) > 2**16, "it was on the device"
"""


def test_a_training_is_the_cpus(soft_device_known: Soft, tmp_path: Path) -> None:
    """In a process of its own: torch starts the threads of its devices at a process' first gradient."""
    learned = {"train": {"steps": 3, "batch_size": 4, "precision": "fp32"}}
    stages = [one | learned for one in OURS["stages"]]
    levels = {"noise": {"std": 0.1, "train_std": [0.0, 0.4]}, "blur": {"std": 0.5, "train_std": [0.0, 1.0]}}
    stages[1] |= {"inputs": {"low": {"from": "base", **levels}}}
    data = json.dumps(OURS | {"data": {"kind": "bundled"}, "stages": stages})
    paths = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", TRAINS, data, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": paths})
    assert done.returncode == 0, done.stderr[-3000:]
    for stage in ("base", "up"):
        logs = [tmp_path / name / "training" / stage / "log.jsonl" for name in ("cpu", "wide", "narrow")]
        due, *losses = (json.loads(log.read_text("utf-8").splitlines()[-1])["loss"] for log in logs)
        assert losses == pytest.approx([due] * 2, rel=1e-4)
