"""A first cascade for somebody's own data: sizes, conditions and small networks that suit it."""

from __future__ import annotations

from statistics import median
from typing import Any

from dynaxx.data.open import open_data
from dynaxx.data.sample import Dataset
from dynaxx.errors import DataError
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.data import FolderData
from dynaxx.spec.files import parse

SHORT_SIDES = 64, 32, 16
"""What the last stage's shorter side may be: the largest that most of the pictures reach."""
LOOKED_AT = 200
WORD_WIDTH = 96
NOISE = {"train_std": [0.0, 0.6], "std": 0.1}
RATE = {"lr": 1.5e-3, "warmup_steps": 100, "decay": "cosine"}
EMA = {"half_life_images": 5000}


def starter(path: str, *, name: str = "mine") -> CascadeSpec:
    """Base, bridge and refine for a folder of pictures, each twice the size of the one before.

    The largest of 64, 32 and 16 that most pictures reach is the last stage's shorter side, their median aspect its
    shape. Captions become a text condition, else labels a label. It trains in about half an hour on two cores.

    Raises:
        DataError: where the folder holds nothing usable, or pictures that are too small.
    """
    data = FolderData(path=path)
    opened = open_data(data)
    base = _base_size(opened)
    return parse(
        {
            "version": 1, "name": name, "condition": _condition(opened), "data": data.model_dump(),
            "stages": [_base(base), _bridge(), _refine(base)],
        }
    )  # fmt: skip


def _base_size(data: Dataset) -> tuple[int, int]:
    """A quarter of the last stage's size."""
    step = max(1, len(data) // LOOKED_AT)
    sizes = [data[i].x.shape[1:] for i in range(0, len(data), step)]
    short = median(min(size) for size in sizes)
    last = next((side for side in SHORT_SIDES if side <= short), None)
    if last is None:
        problem = f"holds pictures of {short:g} sites on the shorter side, where {SHORT_SIDES[-1]} are due at least."
        raise DataError("data", problem, "Give larger ones.")
    aspect = median(height / width for height, width in sizes)
    quarter = last // 4
    return (max(quarter, round(quarter * aspect)), max(quarter, round(quarter / aspect)))


def _condition(data: Dataset) -> dict[str, Any]:
    if any(data.captions):
        return {"text": {"encoder": "word-vectors", "width": WORD_WIDTH, "max_tokens": 12}}
    labels = [data[i].label for i in range(len(data))]
    if all(label is not None for label in labels):
        return {"label": {"classes": 1 + max(label for label in labels if label is not None)}}
    return {}


def _network(width: int, mults: list[int], *, blocks: int = 1, attends: bool = True) -> dict[str, Any]:
    """Most weights lie on the coarsest grid, where they cost least and text is attended to."""
    attention = [len(mults) - 1] if attends else []
    return {"kind": "unet", "width": width, "mults": mults, "blocks": blocks, "attention": attention}


def _train(steps: int, *, crop: list[int] | None = None) -> dict[str, Any]:
    return {"steps": steps, "batch_size": 32, "optimizer": RATE, "ema": EMA, "crop": crop}


def _base(size: tuple[int, int]) -> dict[str, Any]:
    return {
        "name": "base", "role": "base", "network": _network(32, [1, 2, 4], blocks=2), "train": _train(3000),
        "solver": {"steps": 24, "guidance": 2.0}, "out": {"size": list(size)},
    }  # fmt: skip


def _bridge() -> dict[str, Any]:
    return {
        "name": "bridge", "role": "bridge", "inputs": {"low": {"from": "base", "noise": NOISE}},
        "network": _network(16, [1, 2, 4]), "train": _train(1500), "solver": {"steps": 16},
        "out": {"scale": {"hw": 2}},
    }  # fmt: skip


def _refine(base: tuple[int, int]) -> dict[str, Any]:
    """Trained on windows of half the size."""
    crop = [2 * side for side in base]
    return {
        "name": "refine", "role": "refine", "process": {"kind": "truncated", "start": 0.2},
        "inputs": {"low": {"from": "bridge", "noise": {"train_std": [0.0, 0.3], "std": 0.05}}},
        "network": _network(16, [1, 2, 2], attends=False), "train": _train(1500, crop=crop), "solver": {"steps": 8},
        "out": {"scale": {"hw": 2}},
    }  # fmt: skip
