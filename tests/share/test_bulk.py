"""Many samples, each exactly once: whatever was drawn before, the same files byte for byte, and nothing twice."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dynaxx.engine.cascade import Cascade
from dynaxx.errors import RunError
from dynaxx.share.bulk import Job, draw_bulk
from dynaxx.share.tally import Tally
from dynaxx.spec.files import loads

SPEC = loads("""
name: bulk
condition: {text: {width: 16, max_tokens: 4}}
stages:
  - name: base
    role: base
    network: {kind: unet, width: 8, mults: [1, 2], blocks: 1, attention: [1], head_dim: 8}
    solver: {steps: 3}
    out: {size: [8, 8]}
""")
JOB = Job(prompts=tuple(f"number {i}" for i in range(11)), num=2, seed=3, batch=4)


@pytest.fixture(scope="module")
def cascade() -> Cascade:
    """A base with random weights, which is all that files need to differ."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Cascade.from_spec(SPEC, fresh=True)


@pytest.fixture(scope="module")
def straight(cascade: Cascade, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a job that nobody disturbed."""
    folder = tmp_path_factory.mktemp("straight")
    assert drawn(cascade, JOB, folder) == [0, 1, 2, 3, 4, 5]
    return files(folder)


def drawn(cascade: Cascade, job: Job, folder: Path, most: int = 99) -> list[int]:
    """The batches that a call draws, stopping after `most`."""
    found = []
    with Tally(folder, job.facts(cascade)) as tally:
        for part in draw_bulk(cascade, job, tally):
            found.append(part.batch)
            if len(found) == most:
                break
    return found


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in ("done.jsonl", ".lock")}


def pixels(data: bytes, path: Path) -> np.ndarray:
    path.write_bytes(data)
    with Image.open(path) as picture:
        return np.asarray(picture).astype(int)


def test_every_sample_is_there_once_with_its_prompt(straight: dict[str, bytes]) -> None:
    pictures = sorted(name for name in straight if name.endswith(".png"))
    assert pictures == [f"{i:06d}.png" for i in range(22)]
    assert len({straight[name] for name in pictures}) == 22
    table = [json.loads(line) for line in straight["metadata.jsonl"].decode().splitlines()]
    assert [(line["file_name"], line["text"]) for line in table] == [
        (f"{i:06d}.png", f"number {i // 2}") for i in range(22)
    ]


def test_going_on_draws_the_rest_only_and_ends_with_the_same_bytes(
    cascade: Cascade, straight: dict[str, bytes], tmp_path: Path
) -> None:
    assert drawn(cascade, JOB, tmp_path, most=2) == [0, 1]
    assert drawn(cascade, JOB, tmp_path, most=1) == [2]
    assert drawn(cascade, JOB, tmp_path) == [3, 4, 5]
    assert drawn(cascade, JOB, tmp_path) == []
    assert files(tmp_path) == straight


@pytest.mark.parametrize("how", ["flipped", "cut", "gone", "line cut short"])
def test_what_is_damaged_is_drawn_again_with_its_batch(
    cascade: Cascade, straight: dict[str, bytes], tmp_path: Path, how: str
) -> None:
    drawn(cascade, JOB, tmp_path)
    victim, lines = tmp_path / "000006.png", tmp_path / "done.jsonl"
    data = bytearray(victim.read_bytes())
    data[50] ^= 1
    match how:
        case "gone":
            victim.unlink()
        case "line cut short":
            lines.write_bytes(lines.read_bytes()[:-20])
        case _:
            victim.write_bytes(data if how == "flipped" else data[:50])
    named = Tally(tmp_path, JOB.facts(cascade))
    named.__exit__(None, None, None)
    assert ["000006.png" in reason for reason in named.passed_over] == ([] if how == "line cut short" else [True])
    assert drawn(cascade, JOB, tmp_path) == [5 if how == "line cut short" else 1]
    assert files(tmp_path) == straight


def test_another_batch_size_gives_the_same_pictures_up_to_rounding(
    cascade: Cascade, straight: dict[str, bytes], tmp_path: Path
) -> None:
    from dataclasses import replace

    folder = tmp_path / "other"
    folder.mkdir()
    drawn(cascade, replace(JOB, batch=7), folder)
    other, apart = files(folder), list[np.ndarray]()
    for name in (name for name in straight if name.endswith(".png")):
        apart.append(np.abs(pixels(straight[name], tmp_path / "a.png") - pixels(other[name], tmp_path / "b.png")))
    assert np.max(apart) <= 1
    assert np.mean(np.stack(apart) > 0) <= 0.005


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 4}, "seed"),
        ({"num": 3}, "(num|total)"),
        ({"batch": 8}, "batch"),
        ({"prompts": ("other",) * 11}, "prompts"),
    ],
)
def test_another_job_is_refused_and_nothing_is_lost(cascade: Cascade, tmp_path: Path, change: dict, named: str) -> None:
    from dataclasses import replace

    drawn(cascade, JOB, tmp_path, most=1)
    before = files(tmp_path)
    with pytest.raises(RunError, match=rf"drawn with another {named} .*Give the command as it was"):
        drawn(cascade, replace(JOB, **change), tmp_path)
    assert files(tmp_path) == before


def test_other_weights_are_refused(cascade: Cascade, tmp_path: Path) -> None:
    facts = JOB.facts(cascade)
    Tally(tmp_path, facts).__exit__(None, None, None)
    with pytest.raises(RunError, match="drawn with another weights"):
        Tally(tmp_path, facts | {"weights": {"base": "0" * 64}})
    around = Tally(tmp_path, facts | {"threads": 64})
    around.__exit__(None, None, None)
    assert around.around == ("threads",)


def test_a_folder_of_another_run_is_left_alone(cascade: Cascade, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(RunError, match="holds run.json, which is of another run or of none. Choose another --out"):
        drawn(cascade, JOB, tmp_path)
    assert files(tmp_path) == {"run.json": b"{}"}
