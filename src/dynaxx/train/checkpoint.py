"""Checkpoints: folders written aside, with a manifest written last, that are there whole or not at all."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from torch import Tensor

from dynaxx.errors import DataError, RunError
from dynaxx.store.atomic import WAYS_OUT, make_folder, publish, write_bytes
from dynaxx.train.snapshot import Snapshot

MANIFEST, STATE = "manifest.json", "state.json"
PREFIX, ENDING = "step-", ".safetensors"
KEPT = 2


@final
@dataclass(frozen=True)
class Checkpoint:
    """A complete checkpoint: tensors by file and name, and the numbers that go with them."""

    path: Path
    tensors: dict[str, dict[str, Tensor]]
    state: dict[str, Any]


@final
@dataclass(frozen=True)
class Found:
    """The newest complete checkpoint, if any, and why newer ones were passed over."""

    checkpoint: Checkpoint | None
    passed_over: tuple[str, ...] = ()


def save_checkpoint(
    folder: Path, step: int, tensors: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any], *, keep: int = KEPT
) -> Path:
    """Write `folder/step-N` whole, as `write_checkpoint`."""
    return write_checkpoint(make_folder(folder), step, Snapshot().take(tensors), state, keep=keep)


def write_checkpoint(
    folder: Path, step: int, files: Mapping[str, memoryview], state: Mapping[str, Any], *, keep: int = KEPT
) -> Path:
    """Write `folder/step-N` whole; only then are others removed, but for the `keep` - 1 that come before it.

    Every file is on disk before the manifest, with their sizes and checksums, is written; one rename gives the folder
    its name. Those of later steps go too: they are damaged, or the training would not have gone back behind them.

    Raises:
        RunError: where it cannot be written; what was there before is there still.
    """
    target = folder / f"{PREFIX}{step:08d}"
    aside = folder / f".{target.name}.part"
    try:
        for left in folder.glob(".*.part"):  # by a process that was killed
            shutil.rmtree(left, ignore_errors=True)
        aside.mkdir()
        contents: dict[str, bytes | memoryview] = {name + ENDING: data for name, data in files.items()}
        contents[STATE] = _json(state)
        facts = {}
        for name, data in contents.items():
            write_bytes(aside / name, data)
            facts[name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        write_bytes(aside / MANIFEST, _json({"files": facts, "sha256": _checksum(facts)}))
        publish(aside, target)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        fix = WAYS_OUT.get(error.errno or 0, "")
        raise RunError(str(target), f"cannot be written: {reason}.", fix) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)  # a disk that is full gets its room back
    before = [path for path in checkpoints(folder) if PREFIX <= path.name < target.name]
    for path in set(checkpoints(folder)) - {target, *before[: keep - 1]}:
        shutil.rmtree(path, ignore_errors=True)
    return target


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in a folder, newest first, complete or not; last those that were about to be replaced."""
    named = sorted((path for path in folder.glob(f"{PREFIX}*") if path.is_dir()), reverse=True)
    return named + sorted((path for path in folder.glob(f".{PREFIX}*.old") if path.is_dir()), reverse=True)


def newest(folder: Path) -> Found:
    """Read the newest checkpoint that is what its manifest says."""
    passed_over = list[str]()
    for path in checkpoints(folder):
        try:
            return Found(read_checkpoint(path), tuple(passed_over))
        except DataError as error:
            passed_over.append(str(error))
    return Found(None, tuple(passed_over))


def read_checkpoint(path: Path) -> Checkpoint:
    """Read and verify every file.

    Raises:
        DataError: naming the file that is missing, cut short or changed.
        RunError: naming the file that is there, and cannot be read now.
    """
    from safetensors.torch import load

    contents = {name: _verified(path / name, fact) for name, fact in _manifest(path / MANIFEST).items()}
    if STATE not in contents:
        raise DataError(str(path / MANIFEST), f"names no {STATE}, so the checkpoint is not complete.")
    state = json.loads(contents.pop(STATE))
    return Checkpoint(path, {name.removesuffix(ENDING): load(data) for name, data in contents.items()}, state)


def _manifest(path: Path) -> dict[str, dict[str, Any]]:
    """The files of a checkpoint; the first ones bore no checksum of their own."""
    written = _read(path)
    try:
        said = json.loads(written)
        files = said["files"]
        if said.keys() - {"files"} and (said.keys() != {"files", "sha256"} or said["sha256"] != _checksum(files)):
            raise ValueError("it is not what was written")
        return {str(name): {"bytes": int(fact["bytes"]), "sha256": str(fact["sha256"])} for name, fact in files.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(str(path), "is damaged, so the checkpoint is not complete.") from error


def _checksum(files: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def _verified(path: Path, fact: Mapping[str, Any]) -> bytes:
    data = _read(path)
    if len(data) != fact["bytes"]:
        raise DataError(str(path), f"is cut short or too long ({len(data)} bytes of {fact['bytes']}).")
    if hashlib.sha256(data).hexdigest() != fact["sha256"]:
        raise DataError(str(path), "is damaged (its sha256 is not the manifest's).")
    return data


def _read(path: Path) -> bytes:
    """The bytes of a file. One that is there and cannot be read now is not damaged: nothing goes on without it."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise DataError(str(path), "is missing, so the checkpoint is not complete.") from error
    except OSError as error:
        fix = "See that the disk answers, and give the command again."
        raise RunError(str(path), f"cannot be read ({error.strerror}).", fix) from error


def _json(data: Mapping[str, Any]) -> bytes:
    return (json.dumps(data, indent=2) + "\n").encode()
