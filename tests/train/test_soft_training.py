"""A cascade is trained on the device in software as it is on the CPU, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

from soft_device.module import Soft

TRAINS = """
import sys; sys.path[:0] = sys.argv[3:]
from soft_device import load
from tiny import tiny

load().begin()
from dynaxx.train import train

train(tiny(base__train__steps=3, bridge__train__steps=3), out=sys.argv[1], device=sys.argv[2])
"""


def trained(out: Path, device: str) -> dict[str, torch.Tensor]:
    here = Path(__file__).parent
    paths = [str(here), str(here.parent)]
    done = subprocess.run(
        [sys.executable, "-c", TRAINS, str(out), device, *paths], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    files = sorted((out / "stages").rglob("*.safetensors"))
    return {f"{file.parent.name}/{key}": x for file in files for key, x in load_file(file).items()}


def test_weights_are_the_cpu_s(tmp_path: Path, soft_device: Soft) -> None:
    found, due = (trained(tmp_path / device, device) for device in ("soft:1", "cpu"))
    assert found.keys() == due.keys() != set()
    for name, x in due.items():
        assert (found[name] - x).abs().max() <= 1e-4, name
