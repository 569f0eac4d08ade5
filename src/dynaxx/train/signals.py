"""A dataset decoded once, on every grid that a training needs, and kept on disk."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dynaxx.data.resized import fit
from dynaxx.data.sample import Dataset, Sample
from dynaxx.errors import DataError
from dynaxx.store.atomic import publish, write_text

Size = tuple[int, ...]
FACTS = "facts.json"
NEEDED = "caption", "label", "id", "group"


@final
@dataclass(frozen=True)
class Facts:
    """What is known of a sample beside its signal."""

    caption: str
    label: int | None
    id: str
    group: str


@final
@dataclass(frozen=True)
class Signals:
    """N samples as arrays `(N, C, *size)`, one per grid; `fingerprint` is that of the data before it was resized."""

    arrays: Mapping[Size, NDArray[Any]]
    facts: tuple[Facts, ...]
    fingerprint: str

    def __len__(self) -> int:
        return len(self.facts)

    def at(self, size: Size, rows: Sequence[int]) -> Tensor:
        """The samples `rows` on a grid, `(B, C, *size)` float32 in [-1, 1]."""
        return decoded(self.arrays[size][np.asarray(rows)])


def decoded(values: NDArray[Any]) -> Tensor:
    """Bytes 0 .. 255 as [-1, 1]; numbers as they are."""
    x = torch.from_numpy(np.ascontiguousarray(values))
    return x.float() / 127.5 - 1 if x.dtype == torch.uint8 else x.float()


def encoded(x: Tensor, dtype: np.dtype[Any]) -> NDArray[Any]:
    """The inverse of `decoded`, rounded to 8 bits where `dtype` is bytes."""
    if dtype == np.uint8:
        return ((x + 1) * 127.5).round().clamp(0, 255).byte().cpu().numpy()
    return x.cpu().numpy().astype(dtype)


def read_signals(folder: Path) -> Signals | None:
    """The signals that were kept in `folder`, or None where there are none that can be read."""
    try:
        facts = json.loads((folder / FACTS).read_text("utf-8"))
        sizes = [tuple(size) for size in facts["sizes"]]
        arrays = {size: np.load(folder / _name(size), mmap_mode="r", allow_pickle=False) for size in sizes}
        return Signals(arrays, tuple(Facts(**fact) for fact in facts["samples"]), facts["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def keep_signals(data: Dataset, sizes: Sequence[Size], kernel: str, folder: Path, *, as_bytes: bool) -> Signals:
    """Decode every sample once, write it on every grid into `folder`, and open it.

    Larger grids are reduced to smaller ones by `kernel`; pictures are kept as bytes.

    Raises:
        DataError: naming the sample that cannot be used.
    """
    if not len(data):
        raise DataError("data", "holds no samples.", "Name a folder that holds some.")
    aside = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    dtype = np.dtype(np.uint8 if as_bytes else np.float32)
    try:
        _write(data, sorted(sizes, key=prod, reverse=True), kernel, aside, dtype)
        publish(aside, folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    kept = read_signals(folder)
    assert kept is not None
    return kept


def _write(data: Dataset, sizes: list[Size], kernel: str, folder: Path, dtype: np.dtype[Any]) -> None:
    channels, facts, digest = data[0].x.shape[0], list[Facts](), hashlib.blake2b(digest_size=8)
    arrays = {
        size: np.lib.format.open_memmap(folder / _name(size), "w+", dtype, (len(data), channels, *size))
        for size in sizes
    }
    for index in range(len(data)):
        sample = data[index]
        _check(sample, channels)
        x = sample.x
        for size in sizes:
            x = fit(x, size, kernel)
            arrays[size][index] = encoded(x, dtype)
        facts.append(Facts(*(getattr(sample, key) for key in NEEDED)))
        digest.update(repr((facts[-1], tuple(sample.x.shape))).encode() + sample.x.numpy(force=True).tobytes())
    for array in arrays.values():
        array.flush()
    known = {"sizes": sizes, "fingerprint": digest.hexdigest(), "samples": [asdict(fact) for fact in facts]}
    write_text(folder / FACTS, json.dumps(known, ensure_ascii=False))


def _check(sample: Sample, channels: int) -> None:
    where = f"sample {sample.id!r}"
    if sample.x.shape[0] != channels:
        problem = f"has {sample.x.shape[0]} channels where the first sample has {channels}."
        raise DataError(where, problem, "Give all samples the same channels.")
    if not torch.isfinite(sample.x).all():
        raise DataError(where, "holds NaN or infinite values.", "Fill them, or leave it out.")


def _name(size: Size) -> str:
    return "x".join(map(str, size)) + ".npy"
