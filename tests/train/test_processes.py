"""Two processes see the samples that one would, and end with its weights."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file
from tiny import base_only

from dynaxx.errors import UsageError
from dynaxx.train import train
from dynaxx.train.machine import Machine

SCRIPT = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from tiny import base_only
from dynaxx.train import train
train(base_only(base__train__levels__kind="uniform", base__train__steps=5), out=sys.argv[1], device="cpu")
"""
WEIGHTS = "stages/base/diffusion_pytorch_model.safetensors"


@pytest.mark.slow
def test_two_processes_are_one(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    launch = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc_per_node",
        "2",
        str(script),
        str(tmp_path / "two"),
    ]
    path = os.pathsep.join([str(Path(__file__).parents[2] / "src"), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(launch, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    train(base_only(base__train__levels__kind="uniform", base__train__steps=5), out=tmp_path / "one", device="cpu")
    one, two = load_file(tmp_path / "one" / WEIGHTS), load_file(tmp_path / "two" / WEIGHTS)
    assert max((one[name] - two[name]).abs().max() for name in one) < 1e-4


def test_shares_of_a_batch_follow_one_another() -> None:
    import torch

    shares = [list(Machine(torch.device("cpu"), rank=rank, count=3).mine(12, 6)) for rank in range(3)]
    assert shares == [[12, 13], [14, 15], [16, 17]]
    with pytest.raises(UsageError, match="7 samples do not divide among 3 processes"):
        Machine(torch.device("cpu"), count=3).mine(0, 7)
