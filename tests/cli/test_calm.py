"""What a terminal shows while pretrained pipelines run: our progress, real warnings, and no chatter of libraries."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from diffusers.utils import logging as theirs
from family_cascades import deepfloyd
from tiny_pipelines import saved

from dynaxx.stage.pipeline.calm import without_bars

LONG = " ".join(["a red apple and a green pear"] * 20)
"""More tokens than IF's encoder takes."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    for name in ("if-1", "if-2"):
        saved(name, tmp_path)
    (tmp_path / "if.yaml").write_text(deepfloyd(size=8, steps=2, std=0.427))
    return tmp_path / "if.yaml"


def shown(*arguments: object) -> str:
    """What a command writes to the terminal that its stderr is."""
    mine, its = pty.openpty()
    path = os.pathsep.join([str(Path(__file__).parents[2] / "src"), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, "-m", "dynaxx", *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=its,
        env={**os.environ, "PYTHONPATH": path, "TERM": "xterm", "COLUMNS": "400"},
    )  # fmt: skip
    os.close(its)
    parts = []
    while part := _read(mine):
        parts.append(part)
    os.close(mine)
    said = b"".join(parts).decode("utf-8", "replace")
    assert process.wait(timeout=240) == 0, said
    return said


def test_a_damaged_folder_is_told_in_one_line_and_downloads_are_no_way_out(file: Path, tmp_path: Path) -> None:
    (tmp_path / "if-1" / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    done = subprocess.run(
        [sys.executable, "-m", "dynaxx", "sample", file, "--prompt", "two", "--out", tmp_path / "out"],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    (line,) = done.stderr.splitlines()
    assert "cannot be opened" in line
    assert "download" not in line
    assert "local_files_only" not in line


def _read(end: int) -> bytes:
    try:
        return os.read(end, 65536)
    except OSError:  # Linux says so where all others have closed it
        return b""


def test_a_terminal_shows_our_progress_and_real_warnings_alone(file: Path, tmp_path: Path) -> None:
    said = shown("sample", file, "--prompt", LONG, "--out", tmp_path / "out")
    assert "two" in said
    assert "2/2" in said
    assert "truncated" in said, "part of the prompt is lost, which is the user's to know"
    for chatter in ("Loading", "it/s", "torchvision", "clean_caption", "FutureWarning", "torch_dtype"):
        assert chatter not in said, said


def test_bars_come_back_when_the_last_one_leaves() -> None:
    """Stages are opened beside each other: who leaves first does not bring bars back for the other."""
    assert theirs.is_progress_bar_enabled()
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with without_bars():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    thread.start()
    assert inside.wait(10)
    with without_bars():
        assert not theirs.is_progress_bar_enabled()
    assert not theirs.is_progress_bar_enabled()
    leave.set()
    thread.join()
    assert theirs.is_progress_bar_enabled()
