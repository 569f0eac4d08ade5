"""What cannot go on is refused with the way out, and before anything in the folder changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import Given, base_only, halves, tiny

from dynaxx.engine.cascade import Cascade
from dynaxx.errors import DataError, RunError, UsageError
from dynaxx.train import Every, train
from dynaxx.train.machine import Machine

EVERY = Every(preview=10**6)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(4):
        Image.fromarray(np.full((8, 8, 3), 60 * i, np.uint8)).save(folder / f"{i}.png")
        (folder / f"{i}.txt").write_text(f"grey {i}", encoding="utf-8")
    return folder


def test_a_refused_call_leaves_a_finished_cascade_as_it_was(tmp_path: Path) -> None:
    spec = base_only(base__train__steps=2)
    train(spec, out=tmp_path, every=EVERY)
    before = (tmp_path / "cascade.yaml").read_bytes()
    with pytest.raises(RunError, match="is a checkpoint of another recipe"):
        train(base_only(base__train__steps=2, base__network__width=24), out=tmp_path, every=EVERY)
    with pytest.raises(DataError):
        train(base_only(base__train__steps=2, data={"kind": "folder", "path": "mistyped"}), out=tmp_path, every=EVERY)
    assert (tmp_path / "cascade.yaml").read_bytes() == before
    assert Cascade.from_pretrained(tmp_path).sample("").x.isfinite().all()


def test_a_finished_stage_is_no_answer_to_other_data(tmp_path: Path) -> None:
    spec = base_only(base__train__steps=2)
    train(spec, data=halves(), out=tmp_path, every=EVERY)
    assert train(spec, data=halves(), out=tmp_path, every=EVERY).skipped == ("base",)
    other = Given([-x for x in halves().xs], ["left", "top"])
    with pytest.raises(RunError, match="was trained on other data. Put the data back"):
        train(spec, data=other, out=tmp_path, every=EVERY)


def test_a_larger_stage_can_be_added_to_a_finished_one(pictures: Path, tmp_path: Path) -> None:
    """The data is the same, on one grid or on two."""
    settings = {"data": {"kind": "folder", "path": str(pictures)}, "base__train__steps": 2}
    train(base_only(**settings), out=tmp_path / "run", every=EVERY)
    again = train(tiny(**settings, bridge__train__steps=2), out=tmp_path / "run", every=EVERY)
    assert again.skipped == ("base",)


def test_fewer_steps_than_are_done_are_refused(tmp_path: Path) -> None:
    train(base_only(base__train__steps=3), out=tmp_path, every=EVERY)
    with pytest.raises(RunError, match=r"has done 3 steps, more than the 2 asked for. Set train.steps to 3 or more"):
        train(base_only(base__train__steps=2), out=tmp_path, every=EVERY)


def test_a_rate_that_has_fallen_is_not_trained_on(tmp_path: Path) -> None:
    cosine = {"base__train__optimizer__decay": "cosine"}
    train(base_only(base__train__steps=3, **cosine), out=tmp_path, every=EVERY)
    with pytest.raises(RunError, match=r"for an end at step 3, so 5 steps are another training. Set train.steps back"):
        train(base_only(base__train__steps=5, **cosine), out=tmp_path, every=EVERY)


def test_a_stage_that_learns_from_an_untrained_one_is_refused(tmp_path: Path) -> None:
    learns = {"bridge__train__generated": 0.5, "base__train__steps": 2, "bridge__train__steps": 2}
    with pytest.raises(RunError, match=r"'bridge': learns from 'base', which is not trained .* Train 'base' first"):
        train(tiny(**learns), out=tmp_path, stages=["bridge"], every=EVERY)
    assert not (tmp_path / "cascade.yaml").exists()
    train(tiny(**learns), out=tmp_path, stages=["base"], every=EVERY)
    assert train(tiny(**learns), out=tmp_path, stages=["bridge"], every=EVERY).stages["bridge"]["steps"] == 2


@pytest.mark.parametrize("inside", [".", "run", "a/link"])
def test_a_folder_inside_the_data_is_refused_before_it_is_made(pictures: Path, tmp_path: Path, inside: str) -> None:
    (tmp_path / "a").symlink_to(pictures)
    out = tmp_path / inside if inside == "a/link" else pictures / inside
    before = sorted(pictures.rglob("*"))
    with pytest.raises(RunError, match=r"lies inside the data, .*pictures. Choose an --out outside it"):
        train(base_only(data={"kind": "folder", "path": "pictures"}), root=tmp_path, out=out)
    assert sorted(pictures.rglob("*")) == before


def test_paths_lead_out_of_where_a_link_points(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "far" / "away").mkdir(parents=True)
    (tmp_path / "run").symlink_to(tmp_path / "far" / "away")
    spec = base_only(data={"kind": "folder", "path": "pictures"}, base__train__steps=1)
    train(spec, root=tmp_path, out=tmp_path / "run", every=EVERY)
    assert "path: ../../pictures" in (tmp_path / "run" / "cascade.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_device_that_is_none_is_refused_by_every_process(monkeypatch: pytest.MonkeyPatch, processes: str) -> None:
    monkeypatch.setenv("WORLD_SIZE", processes)
    with pytest.raises(UsageError, match=r"'cpu:x' is no device\. Name another, or none: this machine has cpu"):
        Machine.of("cpu:x")
