"""`dynaxx train`: a starter file trains as it is, signals end it with its work saved, a killed one goes on."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dynaxx.cli import run

Capture = pytest.CaptureFixture[str]
ROOT = Path(__file__).parents[2]
CASCADE = """
name: tiny
data: {kind: shapes, count: 16, size: [8, 8]}
stages:
  - name: base
    role: base
    network: {kind: unet, width: 8, mults: [1], blocks: 1, attention: []}
    train: {steps: 160, batch_size: 4, optimizer: {warmup_steps: 5}, ema: {half_life_images: 100}}
    solver: {steps: 3}
    out: {size: [4, 4]}
"""
WEIGHTS = "stages/base/diffusion_pytorch_model.safetensors"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Twelve small pictures of two kinds, with captions."""
    folder, random = tmp_path / "pictures", np.random.default_rng(0)
    folder.mkdir()
    lines = []
    for i in range(12):
        pixels = np.full((20, 20, 3), 40 + 15 * i, np.uint8) // (1 + random.integers(0, 2, (20, 20, 1), np.uint8))
        Image.fromarray(pixels).save(folder / f"{i}.png")
        lines.append(json.dumps({"file_name": f"{i}.png", "text": f"grey number {i}"}))
    (folder / "metadata.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


def ask(capsys: Capture, *arguments: object) -> dict:
    code = run([*map(str, arguments), "--json"])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    return json.loads(captured.out)


def test_a_starter_file_trains_and_draws_with_no_edits(pictures: Path, tmp_path: Path, capsys: Capture) -> None:
    file, out = tmp_path / "mine.yaml", tmp_path / "run"
    made = ask(capsys, "train", file, "--data", pictures, "--init-spec")
    assert made["sizes"] == [[4, 4], [8, 8], [16, 16]]
    trained = ask(capsys, "train", file, "--out", out, "--steps", 2)
    assert [made["steps"] for made in trained["stages"].values()] == [2, 2, 2]
    assert (out / "training" / "index.html").read_text("utf-8").count("<svg viewBox=") >= 3 * 3
    with Image.open(out / "samples.png") as picture:
        assert picture.size == (8 * 66 - 2, 4 * 66 - 2)  # eight samples: three stages and the truth
    drawn = ask(capsys, "sample", out, "--prompt", "grey number 3", "--out", tmp_path / "drawn")
    with Image.open(drawn["files"][0]) as picture:
        assert picture.size == (16, 16)
    assert run(["train", str(file), "--data", str(pictures), "--init-spec"]) == 2
    assert "is there already" in capsys.readouterr().err


def test_a_starter_file_in_a_linked_folder_finds_its_data(pictures: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "far" / "away").mkdir(parents=True)
    (tmp_path / "here").symlink_to(tmp_path / "far" / "away")
    ask(capsys, "train", tmp_path / "here" / "mine.yaml", "--data", pictures, "--init-spec")
    assert "path: ../../pictures" in (tmp_path / "here" / "mine.yaml").read_text(encoding="utf-8")


def test_settings_and_data_of_the_command_line(pictures: Path, tmp_path: Path, capsys: Capture) -> None:
    file, out = tmp_path / "tiny.yaml", tmp_path / "run"
    file.write_text(CASCADE, encoding="utf-8")
    options = ["--data", pictures, "--out", out, "--set", "base.train.steps=3", "--set", "base.train.batch_size=2"]
    assert ask(capsys, "train", file, *options)["stages"]["base"]["images"] == 6
    assert "path: ../pictures" in (out / "cascade.yaml").read_text(encoding="utf-8")
    assert ask(capsys, "train", out, "--out", out)["skipped"] == ["base"]  # the folder is a cascade file too
    assert run(["train", str(file), "--out", str(out), "--stage", "bse"]) == 2
    assert "Did you mean 'base'?" in capsys.readouterr().err


def start(file: Path, out: Path) -> subprocess.Popen[str]:
    code = "from dynaxx.cli import main; main()"
    arguments = ["train", str(file), "--out", str(out), "--save-every", "20", "--preview-every", "100000"]
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
        text=True,
    )  # fmt: skip


def wait_for_checkpoint(process: subprocess.Popen[str], out: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        if list(out.glob("training/base/checkpoints/step-*/manifest.json")):
            return
        time.sleep(0.01)
    raise AssertionError(f"no checkpoint came: {process.communicate()}")


def test_a_killed_training_goes_on_and_ends_with_the_same_weights(tmp_path: Path) -> None:
    """SIGKILL, then SIGTERM, then to the end: bit for bit the weights of a training that nobody disturbed."""
    file, out = tmp_path / "tiny.yaml", tmp_path / "killed"
    file.write_text(CASCADE, encoding="utf-8")
    killed = start(file, out)
    wait_for_checkpoint(killed, out)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    told_to_end = start(file, out)
    said = told_to_end.stderr.readline() if told_to_end.stderr else ""
    assert "base goes on from step" in said
    told_to_end.send_signal(signal.SIGTERM)
    _, said = told_to_end.communicate(timeout=60)
    assert told_to_end.returncode == 143, said
    assert re.search(
        r"stopped by SIGTERM; all is saved, \d+\.\d s after the signal. The same command goes on from there.", said
    )
    assert run(["train", str(file), "--out", str(out)]) == 0
    assert run(["train", str(file), "--out", str(tmp_path / "straight")]) == 0
    assert (out / WEIGHTS).read_bytes() == (tmp_path / "straight" / WEIGHTS).read_bytes()


@pytest.mark.parametrize("device", ["cpu:x", "hpu"])
def test_a_device_that_is_none_is_refused_before_anything_is_made(tmp_path: Path, capsys: Capture, device: str) -> None:
    assert run(["train", "emoji-64", "--out", str(tmp_path / "out"), "--device", device]) == 2
    assert "Name another, or none: this machine has cpu" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()
