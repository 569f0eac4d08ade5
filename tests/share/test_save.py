"""Samples are saved from Python as the command writes them, byte for byte, and say in a line what they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.two_stages import two_stages

from dynaxx import Cascade, RunError, save
from dynaxx.cli import run
from dynaxx.engine.samples import Samples


@pytest.fixture
def two(tmp_path: Path) -> Path:
    file = tmp_path / "two.yaml"
    file.write_text(two_stages(3), encoding="utf-8")
    return file


def drawn(file: Path, *, num: int = 1) -> Samples:
    return Cascade.from_pretrained(file).sample(["pizza", "rocket"], num=num, seed=5, keep=True)


def contents(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_python_writes_what_the_command_writes(two: Path, tmp_path: Path) -> None:
    ours = save(drawn(two), str(tmp_path / "python"))
    theirs = tmp_path / "command"
    words = ["--prompt", "pizza", "--prompt", "rocket", "--seed", "5", "--keep-stages", "--out", str(theirs)]
    assert run(["sample", str(two), *words]) == 0
    found, due = contents(ours), contents(theirs)
    records = [json.loads(files.pop("run.json")) for files in (found, due)]
    assert found == due
    assert "stages/bridge/000001.low.png" in found
    assert records[0]["trace"]["run_id"] == records[1]["trace"]["run_id"]
    assert [Path(file).relative_to(ours) for file in records[0]["files"]] == [Path("000000.png"), Path("000001.png")]
    assert records[0].keys() == records[1].keys()


def test_a_later_save_replaces_an_earlier_one_and_nothing_else(two: Path, tmp_path: Path) -> None:
    folder = save(drawn(two, num=2), tmp_path / "out")
    (folder / "mine.png").write_bytes(b"mine")
    save(drawn(two), folder)
    assert sorted(path.name for path in folder.glob("*.png")) == ["000000.png", "000001.png", "mine.png"]


def test_a_folder_that_is_filled_from_a_file_of_prompts_is_left_alone(two: Path, tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("pizza\n", encoding="utf-8")
    out = tmp_path / "out"
    assert run(["sample", str(two), "--prompts", str(tmp_path / "prompts.txt"), "--out", str(out)]) == 0
    before = contents(out)
    with pytest.raises(RunError, match="holds the samples of a file of prompts"):
        save(drawn(two), out)
    assert contents(out) == before


def test_a_place_that_cannot_be_written_to_is_named(two: Path) -> None:
    with pytest.raises(RunError, match="cannot be written to"):
        save(drawn(two), two)


def test_what_is_shown_is_a_line(two: Path) -> None:
    samples = drawn(two)
    assert repr(Cascade.from_pretrained(two)) == "Cascade(two: base, bridge)"
    facts = f"2 of 3x16x16, seed 5, run_id {samples.trace.run_id}"
    assert repr(samples) == f"Samples({facts}, kept: base, bridge)"
