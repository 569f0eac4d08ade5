"""`dynaxx sample --prompts`: stopped, it goes on where it was; what it cannot use is refused by line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dynaxx.cli import run

Capture = pytest.CaptureFixture[str]
ROOT = Path(__file__).parents[2]
CASCADE = """
name: waves
condition: {text: {}}
stages:
  - {name: base, role: base, kind: gaussian, size: [16, 16], solver: {steps: STEPS}, out: {size: [16, 16]}}
"""


@pytest.fixture
def job(tmp_path: Path) -> list[str]:
    """A cascade and thirty prompts, as the command's arguments but for --out."""
    (tmp_path / "waves.yaml").write_text(CASCADE.replace("STEPS", "2"), encoding="utf-8")
    (tmp_path / "prompts.txt").write_text("".join(f"wave {i}\n\n" for i in range(30)), encoding="utf-8")
    return ["sample", str(tmp_path / "waves.yaml"), "--prompts", str(tmp_path / "prompts.txt")]


def ask(capsys: Capture, *arguments: str) -> dict:
    code = run([*arguments, "--json"])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    return json.loads(captured.out)


def test_the_folders_own_batch_size_is_taken_up(capsys: Capture, job: list[str], tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    first = ask(capsys, *job, "--batch", "8", "--out", out)
    assert (first["total"], first["drawn"], first["before"], first["batch"]) == (30, 30, 0, 8)
    again = ask(capsys, *job, "--out", out)
    assert (again["drawn"], again["before"], again["batch"]) == (0, 30, 8)
    assert run([*job, "--batch", "4", "--out", out]) == 1
    assert "drawn with another batch (8, not 4)" in capsys.readouterr().err
    assert run(["sample", job[1], "--out", out]) == 1
    assert "holds the samples of a file of prompts" in capsys.readouterr().err


def test_a_file_of_prompts_is_spread_over_devices(capsys: Capture, job: list[str], tmp_path: Path) -> None:
    ask(capsys, *job, "--batch", "8", "--out", str(tmp_path / "alone"))
    devices = ["--devices", "base=cpu:0,cpu:1"]
    assert run([*job, "--batch", "8", "--out", str(tmp_path / "apart"), *devices]) == 0
    assert capsys.readouterr().err.count("base on cpu:0, cpu:1 (as named)") == 1
    assert _pictures(tmp_path / "apart") == _pictures(tmp_path / "alone")


def test_labels_and_prompts_come_as_json_lines(capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "waves.yaml").write_text(CASCADE.replace("STEPS", "2"), encoding="utf-8")
    wishes = tmp_path / "wishes.jsonl"
    wishes.write_text('{"prompt": "high"}\n\n{"prompt": "low"}\n', encoding="utf-8")
    job = ["sample", str(tmp_path / "waves.yaml"), "--prompts", str(wishes), "--num", "2"]
    assert ask(capsys, *job, "--out", str(tmp_path / "out"))["total"] == 4
    table = (tmp_path / "out" / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["text"] for line in table] == ["high", "high", "low", "low"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("none.txt", None, "none.txt: cannot be read"),
        ("empty.txt", " \n\n", "empty.txt: holds no prompts"),
        ("torn.jsonl", '{"prompt": "a"}\n{"prom', "torn.jsonl, line 2: is no JSON"),
        ("odd.jsonl", '{"prompt": "a", "seed": 3}', "odd.jsonl, line 1: cannot be"),
        ("mixed.jsonl", '{"prompt": "a"}\n{"label": 1}', "mixed.jsonl, line 2: has label, the first prompt"),
        ("minus.jsonl", '{"label": -1}', "line 1: has a label that is no class number"),
        ("list.jsonl", '{"prompt": ["a"]}', "line 1: has a prompt that is no text"),
    ],
)
def test_files_that_cannot_be_used_are_named_by_line(
    capsys: Capture, job: list[str], tmp_path: Path, name: str, text: str | None, said: str
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert run([*job[:3], str(tmp_path / name), "--out", str(tmp_path / "out")]) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_options_that_do_not_go_together_are_refused(capsys: Capture, job: list[str]) -> None:
    assert run([*job, "--prompt", "wave"]) == 2
    assert "--prompts: does not go with --prompt" in capsys.readouterr().err


def test_told_to_end_it_keeps_what_is_drawn_and_goes_on(capsys: Capture, job: list[str], tmp_path: Path) -> None:
    """A real process under SIGTERM: exit code 143, whole batches, and the same bytes at the end."""
    (tmp_path / "waves.yaml").write_text(CASCADE.replace("STEPS", "60"), encoding="utf-8")
    out, straight = tmp_path / "out", tmp_path / "straight"
    process = _started([*job, "--batch", "2", "--out", str(out)])
    end = time.monotonic() + 90
    while not list(out.glob("*.png")) and process.poll() is None and time.monotonic() < end:
        time.sleep(0.005)
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=90)[1]
    there = len(list(out.glob("*.png")))
    assert process.returncode == 143, said
    assert f"{there} of 30 samples: stopped by SIGTERM; all is saved, " in said
    assert "The same command goes on from there." in said
    assert 0 < there < 30
    assert there % 2 == 0
    assert ask(capsys, *job, "--out", str(out))["before"] == there
    ask(capsys, *job, "--batch", "2", "--out", str(straight))
    assert _pictures(out) == _pictures(straight)


def _started(arguments: list[str]) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    code = "from dynaxx.cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
        text=True,
    )  # fmt: skip


def _pictures(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.png")}
