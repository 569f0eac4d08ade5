"""Folders and data may be moved; a finished cascade stays one while a stage of it is trained on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny import base_only, tiny

from dynaxx.engine.cascade import Cascade
from dynaxx.engine.folder import LINEAGE
from dynaxx.errors import RunError
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.files import load
from dynaxx.spec.identity import stage_weights_id, stage_weights_ids
from dynaxx.train import Every, train

EVERY = Every(preview=10**6)


class CrashError(Exception):
    """Raised from a callback."""


@pytest.fixture
def spec(tmp_path: Path) -> CascadeSpec:
    """A base on a folder of pictures beside the run."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(4):
        Image.fromarray(np.full((8, 8, 3), 60 * i, np.uint8)).save(folder / f"{i}.png")
        (folder / f"{i}.txt").write_text(f"grey {i}", encoding="utf-8")
    return base_only(data={"kind": "folder", "path": "pictures"}, base__train__steps=4)


def stop_at(step: int) -> Any:
    def on_step(taken: Any) -> None:
        if taken.step == step:
            raise CrashError

    return on_step


@pytest.mark.parametrize("what", ["data", "run", "both"])
def test_what_was_moved_goes_on(tmp_path: Path, spec: CascadeSpec, what: str) -> None:
    run = tmp_path / "run"
    with pytest.raises(CrashError):
        train(spec, out=run, root=tmp_path, every=Every(save=2, preview=10**6), on_step=stop_at(3))
    path = "pictures"
    if what != "run":
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "pictures").rename(tmp_path / "elsewhere" / "images")
        path = "elsewhere/images"
    if what != "data":
        run = run.rename(tmp_path / "far").absolute()
    moved = spec.model_copy(update={"data": spec.data.model_copy(update={"path": path})})  # type: ignore[union-attr]
    notes: list[str] = []
    train(moved, out=run, root=tmp_path, every=EVERY, on_note=notes.append)
    assert "base goes on from step 2." in notes
    assert train(moved, out=run, root=tmp_path, every=EVERY).skipped == ("base",)
    assert Cascade.from_pretrained(run).sample("grey 1").x.isfinite().all()


def test_a_folder_of_the_time_when_paths_were_in_the_id_is_taken_up(tmp_path: Path, spec: CascadeSpec) -> None:
    run = tmp_path / "run"
    with pytest.raises(CrashError):
        train(spec, out=run, root=tmp_path, every=Every(save=2, preview=10**6), on_step=stop_at(3))
    checkpoint = run / "training/base/checkpoints/step-00000002"
    settled = load(run / "cascade.yaml")
    one = settled.model_copy(update={"stages": (_with_steps(settled.stages[0], 1),)})
    now, then = stage_weights_ids(one, "base")
    state = (checkpoint / "state.json").read_text()
    assert now != then
    assert now in state
    _rewrite(checkpoint, state.replace(now, then))
    notes: list[str] = []
    train(spec, out=run, root=tmp_path, every=EVERY, on_note=notes.append)
    assert "base goes on from step 2." in notes
    lineage = run / "stages/base" / LINEAGE
    made = json.loads(lineage.read_text())
    assert made["weights_id"] == stage_weights_id(settled, "base")
    lineage.write_text(json.dumps(made | {"weights_id": stage_weights_ids(settled, "base")[1]}))
    assert train(spec, out=run, root=tmp_path, every=EVERY).skipped == ("base",)
    assert Cascade.from_pretrained(run).sample("grey 1").x.isfinite().all()


def _with_steps(stage: Any, steps: int) -> Any:
    return stage.model_copy(update={"train": stage.train.model_copy(update={"steps": steps})})


def _rewrite(checkpoint: Path, state: str) -> None:
    """A checkpoint as it was written before manifests had a checksum of their own."""
    import hashlib

    (checkpoint / "state.json").write_text(state)
    manifest = json.loads((checkpoint / "manifest.json").read_text())
    fact = {"bytes": len(state.encode()), "sha256": hashlib.sha256(state.encode()).hexdigest()}
    manifest["files"]["state.json"] = fact
    (checkpoint / "manifest.json").write_text(json.dumps({"files": manifest["files"]}))


def test_a_font_beside_the_file_is_named_from_the_folder(tmp_path: Path) -> None:
    from dynaxx.train.folder import settled

    font = base_only(data={"kind": "emoji", "font": "fonts/own.ttf"})
    found = settled(font, tmp_path, tmp_path / "runs" / "one").data
    assert found is not None
    assert found.font == "../../fonts/own.ttf"  # type: ignore[union-attr]


def test_training_one_stage_leaves_the_others_as_they_were_made(tmp_path: Path) -> None:
    """`--steps 2`, then `--stage base --steps 4` with a file that says 20: the cascade can still be drawn from."""
    train(tiny(base__train__steps=2, bridge__train__steps=2), out=tmp_path, every=EVERY)
    again = train(tiny(base__train__steps=4), out=tmp_path, stages=["base"], every=EVERY)
    assert again.stages["base"]["steps"] == 4
    assert not again.complete  # the file asks for a longer bridge
    steps = [stage.train.steps for stage in load(tmp_path / "cascade.yaml").stages]  # type: ignore[union-attr]
    assert steps == [4, 2]
    assert Cascade.from_pretrained(tmp_path).sample("").x.isfinite().all()


def test_a_finished_cascade_can_be_drawn_from_while_it_is_trained_on(tmp_path: Path) -> None:
    train(tiny(base__train__steps=2, bridge__train__steps=2), out=tmp_path, every=EVERY)
    longer = tiny(base__train__steps=6, bridge__train__steps=2)
    with pytest.raises(CrashError):
        train(longer, out=tmp_path, every=Every(save=3, preview=10**6), on_step=stop_at(4))
    copy = shutil.copytree(tmp_path, tmp_path.with_name("copy"))
    assert Cascade.from_pretrained(copy).sample("").x.isfinite().all()
    assert train(longer, out=tmp_path, every=EVERY).complete
    assert Cascade.from_pretrained(tmp_path).sample("").x.isfinite().all()


def test_another_recipe_for_a_stage_that_is_not_trained_now_is_refused(tmp_path: Path) -> None:
    two = {"base__train__steps": 2, "bridge__train__steps": 2}
    train(tiny(**two), out=tmp_path, every=EVERY)
    before = (tmp_path / "cascade.yaml").read_bytes()
    with pytest.raises(RunError, match=r"stages/bridge: was trained by another recipe.* Train 'bridge' too"):
        train(tiny(**two, bridge__network__width=24), out=tmp_path, stages=["base"], every=EVERY)
    assert (tmp_path / "cascade.yaml").read_bytes() == before
