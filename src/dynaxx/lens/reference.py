"""The truth that a cascade is held against: the same signals on every stage's grid, and what they are asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import final

import torch
from torch import Tensor

from dynaxx.data.open import open_data
from dynaxx.data.resized import fit
from dynaxx.data.sample import Dataset, Sample
from dynaxx.errors import DataError, UsageError
from dynaxx.signal.random import Draws
from dynaxx.signal.resample import resample
from dynaxx.spec.base import Spec
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.data import DataSpec
from dynaxx.spec.graph import Node, nodes
from dynaxx.spec.grid import PIXELS
from dynaxx.spec.stage import EmpiricalStage, GaussianStage
from dynaxx.stage.gaussian import draw_signals

Size = tuple[int, ...]
KERNEL = "bicubic-antialias"
FEWEST = 8
"""Below this many signals no interval says anything."""


@final
@dataclass(frozen=True)
class Reference:
    """n real signals: `grids` holds them by size, `(n, C, *size)`; `prompts` and `labels` what they are asked for.

    `kernel` is the one by which the smaller grids were made, and so the `D` of every comparison between grids.
    """

    grids: Mapping[Size, Tensor]
    prompts: tuple[str, ...]
    labels: tuple[int, ...]
    kernel: str
    name: str

    def __len__(self) -> int:
        return len(next(iter(self.grids.values())))

    def truth(self, node: Node) -> Tensor:
        """What the node should have answered, `(n, C, *size)`."""
        return self.grids[node.grid.size]

    def down(self, x: Tensor, size: Size) -> Tensor:
        """`x` on a smaller grid, by the kernel that the truth was reduced with."""
        return resample(x, size, self.kernel)

    def take(self, rows: Sequence[int]) -> Reference:
        """The signals `rows` alone."""
        index = list(rows)
        return Reference(
            {size: x[index] for size, x in self.grids.items()},
            tuple(self.prompts[i] for i in index) if self.prompts else (),
            tuple(self.labels[i] for i in index) if self.labels else (),
            self.kernel,
            self.name,
        )

    @property
    def fingerprint(self) -> str:
        """16 hex digits of the finest signals and what is asked for."""
        finest = max(self.grids.values(), key=Tensor.numel)
        digest = hashlib.blake2b(finest.contiguous().numpy().tobytes(), digest_size=8)
        digest.update(repr((self.prompts, self.labels, self.kernel)).encode())
        return digest.hexdigest()


def of_signals(
    spec: CascadeSpec,
    x: Tensor,
    *,
    prompts: Sequence[str] = (),
    labels: Sequence[int] = (),
    kernel: str = KERNEL,
    name: str = "signals",
    size: Size | None = None,
) -> Reference:
    """A reference made of signals `x (n, C, *size)` that are at least as fine as the cascade's finest grid.

    Raises:
        DataError: where they do not fit, or are too few.
    """
    _check(x, spec, size)
    asked = spec.condition
    return Reference(
        _on_grids(x, _sizes(spec, size), kernel, trained=_trained(spec)),
        tuple(prompts) if asked.text else (),
        tuple(labels) if asked.label else (),
        kernel,
        name,
    )


def find(
    spec: CascadeSpec,
    num: int,
    *,
    data: DataSpec | Dataset | None = None,
    root: Path | None = None,
    seed: int = 0,
    skip: int = 0,
    size: Size | None = None,
    apart: bool = False,
) -> Reference | None:
    """`num` signals of the data that is named, else of the cascade's own; None where nobody names any.

    The rows are a random choice by `seed`; the first `skip` of that order are left out, so that two calls can be had
    without a signal in common; `apart`: without variants of one thing in common either, as one of each group is taken.
    A cascade of gaussian stages has the signals that its closed form describes.

    Raises:
        DataError: where there are too few.
    """
    data = data if data is not None else spec.data or _own_data(spec)
    if data is None:
        return _of_gaussian(spec, num, seed, skip, size)
    finest = max(_sizes(spec, size), key=prod)
    opened = _opened(data, finest, root) if isinstance(data, Spec) else data
    samples = _samples(opened, num, seed, skip, apart=apart)
    kernel = getattr(data, "kernel", KERNEL)
    x = torch.stack([fit(sample.x, finest, kernel) for sample in samples])
    labels = [-1 if sample.label is None else sample.label for sample in samples]
    return of_signals(
        spec, x, prompts=[sample.caption for sample in samples], labels=labels, kernel=kernel,
        name=getattr(data, "kind", "data"), size=size,
    )  # fmt: skip


def _opened(data: DataSpec, finest: Size, root: Path | None) -> Dataset:
    withheld = getattr(data, "withheld", 0.0) > 0
    return open_data(data, size=finest, root=root, part="withheld" if withheld else "used")


def _samples(opened: Dataset, num: int, seed: int, skip: int, *, apart: bool) -> list[Sample]:
    have = len(opened)
    order = Draws(seed, "lens", tuple(range(have))).uniform("rows", ()).argsort().tolist()
    taken = _one_of_each(opened, order, skip + num)[skip:] if apart else [opened[i] for i in order[skip : skip + num]]
    if len(taken) < min(num, FEWEST):
        problem = f"has {have} signals; with {skip} already used, {len(taken)} are left."
        raise DataError("reference", problem, "Name more data, or ask for fewer (--num).")
    return taken


def _one_of_each(opened: Dataset, order: Sequence[int], most: int) -> list[Sample]:
    """The first sample of each group in that order; one that has no group is its own."""
    found: dict[str, Sample] = {}
    for index in order:
        if len(found) == most:
            break
        sample = opened[index]
        found.setdefault(sample.group or f"/{index}", sample)
    return list(found.values())


def _of_gaussian(spec: CascadeSpec, num: int, seed: int, skip: int, size: Size | None) -> Reference | None:
    """Draws from the closed form that most of the stages agree on."""
    stages = [stage for stage in spec.stages if isinstance(stage, GaussianStage)]
    if len(stages) < len(spec.stages) or spec.inputs:
        return None
    forms = [(s.size, s.exponent, s.knee, s.std, s.mean) for s in stages]
    agreed = stages[max(range(len(stages)), key=lambda i: forms.count(forms[i]))]
    draws = Draws(seed, "lens", tuple(range(skip, skip + num)))
    x = draw_signals(agreed, agreed.out.channels, draws)
    return of_signals(spec, x, kernel="fourier", name="gaussian", size=size)


def _own_data(spec: CascadeSpec) -> DataSpec | None:
    return next((stage.data for stage in reversed(spec.stages) if isinstance(stage, EmpiricalStage)), None)


def _sizes(spec: CascadeSpec, size: Size | None) -> list[Size]:
    return list(dict.fromkeys(node.grid.size for node in nodes(spec, size=size)))


def _trained(spec: CascadeSpec) -> bool:
    return not any(isinstance(stage, GaussianStage | EmpiricalStage) for stage in spec.stages)


def _on_grids(x: Tensor, sizes: Sequence[Size], kernel: str, *, trained: bool) -> dict[Size, Tensor]:
    """As training makes them, one from the next finer and held in range; of exact stages, each from the finest."""
    found, finer = {}, x
    for size in sorted(sizes, key=prod, reverse=True):
        made = finer if tuple(finer.shape[2:]) == size else resample(finer, size, kernel)
        found[size] = made.clamp(-1, 1) if trained else made
        finer = found[size] if trained else x
    return found


def _check(x: Tensor, spec: CascadeSpec, size: Size | None) -> None:
    if len(x) < FEWEST:
        raise DataError("reference", f"{len(x)} signals are too few to say anything.", f"Give {FEWEST} or more.")
    for node in nodes(spec, size=size):
        if node.grid.space != PIXELS:
            problem = f"answers in the latent space {node.grid.space!r}, and the reference holds signals."
            fix = "Look with prompts alone (--prompts FILE)."
            raise DataError(f"stage {node.stage.name!r}", problem, fix)
        if node.grid.channels != x.shape[1]:
            problem = f"answers with {node.grid.channels} channels, but the reference has {x.shape[1]}."
            raise DataError(f"stage {node.stage.name!r}", problem, "Name data of the cascade's own kind.")
        if len(node.grid.size) != x.ndim - 2:
            raise UsageError("reference", f"has shape {tuple(x.shape)}, which does not fit {node.grid}.")
