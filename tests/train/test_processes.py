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
from dynaxx.train.checkpoint import newest
from dynaxx.train.machine import Machine

SCRIPT = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from tiny import base_only
from dynaxx.train import train
train(base_only(base__train__levels__kind="uniform", base__train__steps=5), out=sys.argv[1], device="cpu")
"""
WEIGHTS = "stages/base/diffusion_pytorch_model.safetensors"


def launched(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Two processes that run `code` into `folder/two`."""
    script = folder / "script.py"
    script.write_text(code, encoding="utf-8")
    run = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", str(script), str(folder / "two")]
    path = os.pathsep.join([str(Path(__file__).parents[2] / "src"), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    return subprocess.run(run, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.slow
def test_two_processes_are_one(tmp_path: Path) -> None:
    done = launched(tmp_path, SCRIPT)
    assert done.returncode == 0, done.stderr
    train(base_only(base__train__levels__kind="uniform", base__train__steps=5), out=tmp_path / "one", device="cpu")
    one, two = load_file(tmp_path / "one" / WEIGHTS), load_file(tmp_path / "two" / WEIGHTS)
    assert max((one[name] - two[name]).abs().max() for name in one) < 1e-4


KILLED = (
    SCRIPT.rpartition("train(")[0]
    + """
import os, signal, time
from pathlib import Path
from dynaxx.train import Every
out = Path(sys.argv[1])
def on_step(step):
    if step.step == int(os.environ.get("KILL_AT", 0)) and os.environ["RANK"] == os.environ["KILL_RANK"]:
        while not (out / f"training/base/checkpoints/step-{step.step - 1:08d}").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
spec = base_only(base__network__dropout=0.1, base__train__steps=8)
train(spec, out=out, device="cpu", every=Every(save=2, log=3, preview=10**6), on_step=on_step)
"""
)
LAUNCHERS = {
    "torchrun": ["-m", "torch.distributed.run", "--nproc_per_node", "2"],
    "accelerate launch": [
        "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1",
        "--mixed_precision", "no", "--dynamo_backend", "no",
    ],
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_two_killed_processes_go_on_to_the_same_bits(tmp_path: Path, launcher: str) -> None:
    """Either process is killed, the other goes with it; the end is that of two that nobody disturbed."""
    script = tmp_path / "script.py"
    script.write_text(KILLED, encoding="utf-8")

    def launch(out: str, kill_at: int = 0, rank: int = 0) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([str(Path(__file__).parents[2] / "src"), os.environ.get("PYTHONPATH", "")])
        kill = {"KILL_AT": str(kill_at), "KILL_RANK": str(rank)}
        environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **kill}
        run = [sys.executable, *LAUNCHERS[launcher], str(script), str(tmp_path / out)]
        return subprocess.run(run, env=environment, capture_output=True, text=True, timeout=600)

    assert launch("broken", 3, 0).returncode != 0
    assert newest(tmp_path / "broken/training/base/checkpoints").checkpoint is not None
    assert launch("broken", 5, 1).returncode != 0
    for out in ("broken", "straight"):
        done = launch(out)
        assert done.returncode == 0, done.stderr
    assert _end(tmp_path / "broken") == _end(tmp_path / "straight")


def _end(run: Path) -> list[bytes]:
    """Weights, average, optimiser and log."""
    found = newest(run / "training/base/checkpoints").checkpoint
    assert found is not None
    assert (found.state["step"], found.state["processes"]) == (8, 2)
    files = [*sorted(found.path.glob("*.safetensors")), run / WEIGHTS, run / "training/base/log.jsonl"]
    return [file.read_bytes() for file in files]


STOPPED = (
    SCRIPT.rpartition("train(")[0]
    + """
import os, signal
def on_step(step):
    if step.step == 2 and os.environ["RANK"] == "1":
        os.kill(os.getpid(), signal.SIGTERM)
try:
    train(base_only(base__train__steps=5), out=sys.argv[1], device="cpu", on_step=on_step)
except ValueError as error:
    open(f"{sys.argv[1]}/said-{os.environ['RANK']}", "w").write(str(error))
"""
)


@pytest.mark.slow
def test_a_signal_to_one_process_stops_all(tmp_path: Path) -> None:
    done = launched(tmp_path, STOPPED)
    assert done.returncode == 0, done.stderr
    said = [(tmp_path / "two" / f"said-{rank}").read_text("utf-8") for rank in (0, 1)]
    assert ["step 2: stopped by SIGTERM; all is saved" in text for text in said] == [True, True]
    assert (tmp_path / "two/training/base/checkpoints/step-00000002").is_dir()


def test_averaged_gradients_lie_as_the_weights_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fused optimiser reads both from first to last, so another layout gives each weight another's gradient."""
    import torch

    monkeypatch.setattr("accelerate.utils.reduce", lambda values, reduction: values)
    layer = torch.nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    layer(torch.randn(1, 3, 5, 5)).sum().backward()
    before = [p.grad.clone() for p in layer.parameters() if p.grad is not None]
    Machine(torch.device("cpu"), count=2).average_gradients(list(layer.parameters()))
    for p, want in zip(layer.parameters(), before, strict=True):
        assert p.grad is not None
        assert p.grad.stride() == p.stride()
        assert torch.equal(p.grad, want)


def test_shares_of_a_batch_follow_one_another() -> None:
    import torch

    shares = [list(Machine(torch.device("cpu"), rank=rank, count=3).mine(12, 6)) for rank in range(3)]
    assert shares == [[12, 13], [14, 15], [16, 17]]
    with pytest.raises(UsageError, match="7 samples do not divide among 3 processes"):
        Machine(torch.device("cpu"), count=3).mine(0, 7)
