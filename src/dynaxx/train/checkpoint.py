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

from dynaxx.errors import DataError
from dynaxx.store.atomic import publish, write_bytes

MANIFEST, STATE = "manifest.json", "state.json"
PREFIX = "step-"
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
    """Write `folder/step-N` whole; only then are others removed, but for the `keep` - 1 that come before it.

    Those of later steps go too: they are damaged, or the training would not have gone back behind them.
    """
    from safetensors.torch import save

    target = folder / f"{PREFIX}{step:08d}"
    aside = folder / f".{target.name}.part"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    contents = {f"{name}.safetensors": save(_plain(values)) for name, values in tensors.items()}
    contents[STATE] = _json(state)
    for name, data in contents.items():
        write_bytes(aside / name, data)
    facts = {name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in contents.items()}
    write_bytes(aside / MANIFEST, _json({"files": facts}))
    publish(aside, target)
    before = [path for path in checkpoints(folder) if path.name < target.name]
    for path in set(checkpoints(folder)) - {target, *before[: keep - 1]}:
        shutil.rmtree(path, ignore_errors=True)
    return target


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in a folder, newest first, complete or not."""
    return sorted((path for path in folder.glob(f"{PREFIX}*") if path.is_dir()), reverse=True)


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
    """
    from safetensors.torch import load

    contents = {name: _verified(path / name, fact) for name, fact in _manifest(path / MANIFEST).items()}
    if STATE not in contents:
        raise DataError(str(path / MANIFEST), f"names no {STATE}, so the checkpoint is not complete.")
    state = json.loads(contents.pop(STATE))
    return Checkpoint(path, {name.removesuffix(".safetensors"): load(data) for name, data in contents.items()}, state)


def _manifest(path: Path) -> dict[str, dict[str, Any]]:
    try:
        files = json.loads(path.read_bytes())["files"]
        return {str(name): {"bytes": int(fact["bytes"]), "sha256": str(fact["sha256"])} for name, fact in files.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(str(path), "is missing or damaged, so the checkpoint is not complete.") from error


def _verified(path: Path, fact: Mapping[str, Any]) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(str(path), f"cannot be read ({error.strerror}).") from error
    if len(data) != fact["bytes"]:
        raise DataError(str(path), f"is cut short or too long ({len(data)} bytes of {fact['bytes']}).")
    if hashlib.sha256(data).hexdigest() != fact["sha256"]:
        raise DataError(str(path), "is damaged (its sha256 is not the manifest's).")
    return data


def _plain(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().cpu().contiguous() for name, value in values.items()}


def _json(data: Mapping[str, Any]) -> bytes:
    return (json.dumps(data, indent=2) + "\n").encode()
