"""The user's own files as the signals that a run is given."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dynaxx.data.file import require_file
from dynaxx.data.picture import read_picture
from dynaxx.engine.select import parent_of
from dynaxx.errors import DataError, UsageError
from dynaxx.signal.resample import resample
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.graph import nodes
from dynaxx.spec.grid import Grid


def read_given(
    spec: CascadeSpec,
    *,
    from_stage: str | None,
    low: Path | None,
    named: Mapping[str, Path],
    size: tuple[int, ...] | None,
    count: int,
) -> dict[str, Tensor]:
    """Each signal as `(count, C, *size)` in [-1, 1], by the name of the node or input that it stands for.

    Raises:
        UsageError: where the cascade has no such stage or input.
        DataError: where a file cannot be read.
    """
    wanted: dict[str, tuple[Path, Grid]] = {}
    for name, path in named.items():
        if name not in spec.inputs:
            known = ", ".join(spec.inputs) or "none"
            raise UsageError(f"--input {name}", "the cascade has no such input.", f"It has: {known}.")
        due = spec.inputs[name]
        wanted[f"input.{name}"] = path, Grid(due.channels, due.size, due.space)
    if from_stage is not None and low is not None:
        graph = nodes(spec, size=size)
        parent = parent_of(graph, from_stage)
        grids = {node.name: node.grid for node in graph} | {
            f"input.{name}": Grid(due.channels, due.size, due.space) for name, due in spec.inputs.items()
        }
        wanted[parent] = low, grids[parent]
    return {name: _read(path, grid).unsqueeze(0).expand(count, *grid.shape) for name, (path, grid) in wanted.items()}


def _read(path: Path, grid: Grid) -> Tensor:
    """A picture, resized to the grid, or an array `.npy` that lies on it already."""
    x = _array(path) if path.suffix == ".npy" else read_picture(path).x
    if x.ndim == 3 and x.shape[0] == 3 and grid.channels == 1:
        x = x.mean(dim=0, keepdim=True)
    fits = path.suffix != ".npy" and x.ndim == len(grid.shape) and x.shape[0] == grid.channels
    if tuple(x.shape) != grid.shape and not fits:
        shape = "x".join(map(str, x.shape))
        raise DataError(str(path), f"is {shape} where {grid} is due.", "Give a picture, or an array of that shape.")
    return x if tuple(x.shape) == grid.shape else resample(x.unsqueeze(0), grid.size, "bicubic-antialias")[0]


def _array(path: Path) -> Tensor:
    require_file(path)
    try:
        return torch.from_numpy(np.load(path, allow_pickle=False).astype(np.float32))
    except (ValueError, OSError, EOFError, TypeError) as error:
        raise DataError(str(path), f"is no array that can be read ({error}).", "Save it with numpy.save.") from error
