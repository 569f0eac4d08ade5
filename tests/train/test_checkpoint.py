"""Checkpoints are there whole or not at all; damage is found by name and passed over."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from dynaxx.errors import DataError
from dynaxx.train.checkpoint import MANIFEST, checkpoints, newest, read_checkpoint, save_checkpoint

TENSORS = {"network": {"w": torch.arange(6.0).view(2, 3), "n": torch.tensor(3)}, "ema": {}}
FILES = ["network.safetensors", "ema.safetensors", "state.json", MANIFEST]


def save(folder: Path, step: int) -> Path:
    return save_checkpoint(folder, step, TENSORS, {"step": step})


def test_what_is_saved_is_read_bit_for_bit(tmp_path: Path) -> None:
    found = read_checkpoint(save(tmp_path, 7))
    assert found.state == {"step": 7}
    assert found.tensors["ema"] == {}
    assert all(torch.equal(found.tensors["network"][name], value) for name, value in TENSORS["network"].items())


def test_old_ones_go_only_when_the_new_one_stands(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        save(tmp_path, step)
    assert [path.name for path in checkpoints(tmp_path)] == ["step-00000003", "step-00000002"]
    assert not list(tmp_path.glob(".*"))


def test_the_one_just_saved_stays_and_damaged_ones_of_later_steps_go(tmp_path: Path) -> None:
    for step in (10, 20):
        (save(tmp_path, step) / "network.safetensors").write_bytes(b"damaged")
    save(tmp_path, 5)
    found = newest(tmp_path)
    assert found.checkpoint is not None
    assert (found.checkpoint.state, found.passed_over) == ({"step": 5}, ())
    save(tmp_path, 6)
    assert [path.name for path in checkpoints(tmp_path)] == ["step-00000006", "step-00000005"]


def test_one_whose_manifest_names_no_state_is_passed_over(tmp_path: Path) -> None:
    save(tmp_path, 1)
    manifest = save(tmp_path, 2) / MANIFEST
    facts = json.loads(manifest.read_bytes())
    del facts["files"]["state.json"]
    manifest.write_text(json.dumps(facts), "utf-8")
    found = newest(tmp_path)
    assert found.checkpoint is not None
    assert found.checkpoint.state == {"step": 1}
    assert ["names no state.json" in reason for reason in found.passed_over] == [True]


def test_saving_a_step_again_replaces_it(tmp_path: Path) -> None:
    (save(tmp_path, 1) / "network.safetensors").write_bytes(b"damaged")
    assert newest(tmp_path).checkpoint is None
    save(tmp_path, 1)
    assert newest(tmp_path).checkpoint is not None


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("how", ["cut", "flip", "gone"])
def test_damage_to_any_file_is_found_by_name_and_the_one_before_is_taken(tmp_path: Path, name: str, how: str) -> None:
    save(tmp_path, 1)
    file = save(tmp_path, 2) / name
    data = bytearray(file.read_bytes())
    if how == "gone":
        file.unlink()
    elif how == "cut":
        file.write_bytes(data[:-1] if name != MANIFEST else data[: len(data) // 2])
    else:
        place = data.index(b"sha256") if name == MANIFEST else len(data) // 2
        data[place] ^= 1
        file.write_bytes(data)
    found = newest(tmp_path)
    assert found.checkpoint is not None
    assert found.checkpoint.state == {"step": 1}
    assert [str(file) in reason for reason in found.passed_over] == [True]
    with pytest.raises(DataError, match=name):
        read_checkpoint(file.parent)


def test_one_that_was_being_written_is_not_there(tmp_path: Path) -> None:
    aside = tmp_path / ".step-00000009.part"
    aside.mkdir()
    (aside / "network.safetensors").write_bytes(b"half")
    assert newest(tmp_path).checkpoint is None
    save(tmp_path, 9)
    assert not aside.exists()
