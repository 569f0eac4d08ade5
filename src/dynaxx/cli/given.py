"""The user's own files as the signals that a run is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dynaxx.data.array import ENDINGS, Array, names_in, read_array
from dynaxx.data.file import listed
from dynaxx.data.picture import FORMATS, read_picture
from dynaxx.engine.select import in_turns, parent_of, signal_grids
from dynaxx.errors import DataError, UsageError
from dynaxx.signal.resample import resample
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.graph import Node
from dynaxx.spec.grid import PIXELS, Grid

LARGEST = 8.0
"""Numbers beyond this are no signal in [-1, 1], however far it strayed: most likely pixels in 0 .. 255."""


def name_given(
    spec: CascadeSpec, graph: Sequence[Node], *, from_stage: str | None, low: Path | None, named: Mapping[str, Path]
) -> dict[str, Path]:
    """The files, or folders of them, by the name of the node or input that they stand for.

    Raises:
        UsageError: where the cascade has no such stage or input.
    """
    for name in named:
        if name not in spec.inputs:
            known = ", ".join(spec.inputs) or "none"
            raise UsageError(f"--input {name}", "the cascade has no such input.", f"It has: {known}.")
    files = {f"input.{name}": path for name, path in named.items()}
    if from_stage is not None and low is not None:
        files[parent_of(graph, from_stage)] = low
    return files


def read_given(
    spec: CascadeSpec, graph: Sequence[Node], files: Mapping[str, Path], *, count: int, on_note: Callable[[str], None]
) -> dict[str, Tensor]:
    """Each signal as `(count, C, *size)`; in pixels it lies in [-1, 1], or not far outside.

    The files of a folder are taken in turns, in the order of their names. `on_note` is told which sizes were resized.

    Raises:
        DataError: where a file cannot be read, or is not what is due.
    """
    grids = signal_grids(spec, graph)
    return {name: in_turns(_all(name, path, grids[name], count, on_note), count) for name, path in files.items()}


def files_of(path: Path) -> list[Path]:
    """The file itself, or the pictures and arrays in a folder.

    Raises:
        DataError: where a folder holds none.
    """
    if not path.is_dir():
        return [path]
    found = [path / name for name in listed(path, (*FORMATS, *ENDINGS))]
    if not found:
        raise DataError(str(path), "holds no picture and no array.", "Name a file, or a folder that has some.")
    return found


def _all(name: str, path: Path, grid: Grid, most: int, on_note: Callable[[str], None]) -> Tensor:
    """As many of the signals at a path as are needed, `(n, C, *size)`."""
    found, sizes = list[Tensor](), set[tuple[int, ...]]()
    for file in files_of(path)[:most]:
        x = _read(file, grid)
        size = tuple(x.shape[1:])
        if size != grid.size and size not in sizes:
            sizes.add(size)
            on_note(f"{name}: {_by(size)} was resized to {_by(grid.size)}.")
        found.append(x if size == grid.size else resample(x.unsqueeze(0), grid.size, "bicubic-antialias")[0])
    return torch.stack(found)


def _by(size: Sequence[int]) -> str:
    return "x".join(map(str, size))


def read_field(spec: CascadeSpec, path: Path | None) -> Tensor | None:
    """The field `(C, *size)` that the cascade is conditioned on, of any size; every sample gets it.

    Raises:
        UsageError: where a field is given and none is taken, or the other way round.
        DataError: where the file cannot be read, or has other channels.
    """
    due = spec.condition.field
    if (due is None) != (path is None):
        problem = "this cascade takes no field." if due is None else "this cascade needs a field, and none is given."
        fix = "Leave it out." if due is None else f"Give a FILE with {due.channels} channels."
        raise UsageError("--field", problem, fix)
    if due is None or path is None:
        return None
    x = _grey_where_due(_array(path) if _is_array(path) else read_picture(path).x, due.channels)
    if x.shape[0] != due.channels or not 2 <= x.ndim <= 4:
        problem = f"has shape {tuple(x.shape)} where ({due.channels}, *size) is due."
        raise DataError(str(path), problem, "Give an array of that shape, channels first.")
    return x


def _read(path: Path, grid: Grid) -> Tensor:
    """A picture of any size with the grid's channels, or an array `.npy` or `.npz` that lies on it already."""
    x = _grey_where_due(_array(path) if _is_array(path) else read_picture(path).x, grid.channels)
    if _is_array(path):
        _check_range(x, path, grid)
    fits = not _is_array(path) and x.ndim == len(grid.shape) and x.shape[0] == grid.channels
    if tuple(x.shape) != grid.shape and not fits:
        shape = _by(x.shape)
        fix = "Give a picture, or an array of that shape." if grid.space == PIXELS else "Give the latents as an array."
        raise DataError(str(path), f"is {shape} where {grid} is due.", fix)
    return x


def _grey_where_due(x: Tensor, channels: int) -> Tensor:
    return x.mean(dim=0, keepdim=True) if x.ndim == 3 and x.shape[0] == 3 and channels == 1 else x


def _is_array(path: Path) -> bool:
    return path.suffix.lower() in ENDINGS


def _array(path: Path) -> Tensor:
    names = names_in(path)
    if len(names) != 1:
        held = f"{len(names)} arrays ({', '.join(names)})" if names else "no array"
        raise DataError(str(path), f"holds {held}, but one is due.", "Save the one that is meant with numpy.save.")
    array: Array = read_array(path, names[0])
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


def _check_range(x: Tensor, path: Path, grid: Grid) -> None:
    if grid.space == PIXELS and float(x.abs().max()) > LARGEST:
        problem = f"holds numbers from {float(x.min()):g} to {float(x.max()):g}, where signals lie in [-1, 1]."
        raise DataError(str(path), problem, "Scale it; pixels p in 0 .. 255 become p / 127.5 - 1.")
