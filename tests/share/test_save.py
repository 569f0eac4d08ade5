"""Samples are saved from Python as the command writes them, byte for byte, and say in a line what they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dynaxx import Cascade, RunError, save
from dynaxx.cli import run
from dynaxx.engine.samples import Samples

WAVES = """
name: waves
condition: {text: {}}
stages:
  - {name: base, role: base, kind: gaussian, size: [16, 16], solver: {steps: 3}, out: {size: [8, 8]}}
  - name: bridge
    role: bridge
    kind: gaussian
    size: [16, 16]
    inputs: {low: {from: base, resize: fourier, noise: {train_std: [0.0, 0.5], std: 0.1}}}
    solver: {steps: 3}
    out: {scale: {hw: 2}}
"""


@pytest.fixture
def waves(tmp_path: Path) -> Path:
    file = tmp_path / "waves.yaml"
    file.write_text(WAVES, encoding="utf-8")
    return file


def drawn(file: Path, *, num: int = 1) -> Samples:
    return Cascade.from_pretrained(file).sample(["hill", "dale"], num=num, seed=5, keep=True)


def contents(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_python_writes_what_the_command_writes(waves: Path, tmp_path: Path) -> None:
    ours = save(drawn(waves), str(tmp_path / "python"))
    theirs = tmp_path / "command"
    words = ["--prompt", "hill", "--prompt", "dale", "--seed", "5", "--keep-stages", "--out", str(theirs)]
    assert run(["sample", str(waves), *words]) == 0
    found, due = contents(ours), contents(theirs)
    records = [json.loads(files.pop("run.json")) for files in (found, due)]
    assert found == due
    assert "stages/bridge/000001.low.png" in found
    assert records[0]["trace"]["run_id"] == records[1]["trace"]["run_id"]
    assert [Path(file).relative_to(ours) for file in records[0]["files"]] == [Path("000000.png"), Path("000001.png")]
    assert records[0].keys() == records[1].keys()


def test_a_later_save_replaces_an_earlier_one_and_nothing_else(waves: Path, tmp_path: Path) -> None:
    folder = save(drawn(waves, num=2), tmp_path / "out")
    (folder / "mine.png").write_bytes(b"mine")
    save(drawn(waves), folder)
    assert sorted(path.name for path in folder.glob("*.png")) == ["000000.png", "000001.png", "mine.png"]


def test_a_folder_that_is_filled_from_a_file_of_prompts_is_left_alone(waves: Path, tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("hill\n", encoding="utf-8")
    out = tmp_path / "out"
    assert run(["sample", str(waves), "--prompts", str(tmp_path / "prompts.txt"), "--out", str(out)]) == 0
    before = contents(out)
    with pytest.raises(RunError, match="holds the samples of a file of prompts"):
        save(drawn(waves), out)
    assert contents(out) == before


def test_a_place_that_cannot_be_written_to_is_named(waves: Path) -> None:
    with pytest.raises(RunError, match="cannot be written to"):
        save(drawn(waves), waves)


def test_what_is_shown_is_a_line(waves: Path) -> None:
    samples = drawn(waves)
    assert repr(Cascade.from_pretrained(waves)) == "Cascade(waves: base, bridge)"
    facts = f"2 of 3x16x16, seed 5, run_id {samples.trace.run_id}"
    assert repr(samples) == f"Samples({facts}, kept: base, bridge)"
