"""Checkpoints are there whole or not at all; damage is found by name and passed over."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from dynaxx.errors import DataError, RunError
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
    del facts["files"]["state.json"], facts["sha256"]
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
        file.write_bytes(data[: len(data) // 2])
    else:
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
    found = newest(tmp_path)
    assert found.checkpoint is not None
    assert found.checkpoint.state == {"step": 1}
    assert [str(file) in reason for reason in found.passed_over] == [True]
    with pytest.raises(DataError, match=name):
        read_checkpoint(file.parent)


@pytest.mark.parametrize("name", FILES)
def test_any_bit_that_flips_is_found_in_its_file(tmp_path: Path, name: str) -> None:
    """All bits of the manifest and of the numbers beside the tensors; of the tensors every seventh."""
    file = save(tmp_path, 1) / name
    good = file.read_bytes()
    for bit in range(0, 8 * len(good), 7 if name.endswith(".safetensors") else 1):
        data = bytearray(good)
        data[bit // 8] ^= 1 << bit % 8
        file.write_bytes(data)
        with pytest.raises(DataError, match=name):
            read_checkpoint(file.parent)


@pytest.mark.parametrize("name", FILES)
def test_any_file_cut_anywhere_is_found(tmp_path: Path, name: str) -> None:
    file = save(tmp_path, 1) / name
    good = file.read_bytes()
    for length in range(0, len(good), 5):
        file.write_bytes(good[:length])
        with pytest.raises(DataError, match=name):
            read_checkpoint(file.parent)


def test_manifests_without_a_checksum_of_their_own_are_read(tmp_path: Path) -> None:
    manifest = save(tmp_path, 1) / MANIFEST
    manifest.write_text(json.dumps({"files": json.loads(manifest.read_bytes())["files"]}), "utf-8")
    assert read_checkpoint(manifest.parent).state == {"step": 1}


def test_one_about_to_be_replaced_is_found_where_its_successor_never_came(tmp_path: Path) -> None:
    whole = save(tmp_path, 3)
    whole.rename(tmp_path / ".step-00000003.old")
    found = newest(tmp_path)
    assert found.checkpoint is not None
    assert found.checkpoint.state == {"step": 3}
    save(tmp_path, 4)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000004"]


def test_one_that_was_being_written_is_not_there(tmp_path: Path) -> None:
    aside = tmp_path / ".step-00000009.part"
    aside.mkdir()
    (aside / "network.safetensors").write_bytes(b"half")
    assert newest(tmp_path).checkpoint is None
    save(tmp_path, 9)
    assert not aside.exists()


def test_a_file_that_cannot_be_read_now_is_not_taken_for_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_checkpoint(tmp_path, 1, {"network": {"w": torch.ones(2)}}, {"step": 1})

    def unwilling(self: Path) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "read_bytes", unwilling)
    with pytest.raises(RunError, match=r"cannot be read \(Input/output error\)"):
        newest(tmp_path)
