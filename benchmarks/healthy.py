"""Healthy cascades of many shapes: exact ones over Gaussian data and pictures, and small trained ones."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dynaxx.engine.cascade import Cascade
from dynaxx.spec.files import parse

NAMES = ("base", "bridge", "refine")
ROLES = NAMES


@dataclass(frozen=True)
class Bed:
    """A healthy cascade by name."""

    name: str
    cascade: Cascade

    @property
    def kind(self) -> str:
        """Exact `gaussian` or `empirical`, or trained `diffusion`."""
        return self.cascade.spec.stages[0].kind


def gaussian_beds() -> Iterator[Bed]:
    """Ten shapes: one to three axes, one to three channels, two and three stages, parallel, recursive, truncated."""
    yield Bed("line", gaussian([16, 32, 64], axes=1))
    yield Bed("plane", gaussian([8, 16], axes=2, channels=3))
    yield Bed("plane, smooth", gaussian([8, 16, 32], axes=2, channels=3, exponent=3.0))
    yield Bed("plane, rough", gaussian([8, 16], axes=2, channels=2, exponent=1.5, level=0.05))
    yield Bed("plane, noise at low", gaussian([8, 16], axes=2, channels=3, at="low"))
    yield Bed("plane, by four", gaussian([4, 16], axes=2, channels=3, level=0.05))
    yield Bed("space", gaussian([4, 8], axes=3))
    yield Bed("flow and karras", gaussian([8, 16, 32], axes=2, processes=("flow", "karras", "cosine")))
    yield Bed("parallel", Cascade.from_spec(parse({"name": "parallel", "stages": parallel()})))
    yield Bed("recursive", Cascade.from_spec(parse({"name": "recursive", "stages": recursive()})))


def empirical_beds() -> Iterator[Bed]:
    """Five over pictures: with and without prompts, emoji and shapes, two and three stages, a truncated last one."""
    shapes = {"kind": "shapes", "count": 300, "size": [16, 16]}
    yield Bed("emoji by name", empirical([8, 16]))
    yield Bed("emoji", empirical([8, 16], text=False))
    yield Bed("shapes", empirical([8, 16], text=False, data=shapes))
    yield Bed("shapes by name", empirical([4, 8, 16], data=shapes))
    yield Bed("emoji, truncated", empirical([8, 16], process={"kind": "truncated", "start": 0.3}))


def trained_beds(count: int, *, steps: int, first: int = 0) -> Iterator[Bed]:
    """Small networks on one axis, trained on signals of a known spectrum; each with a seed of its own, from `first`."""
    for seed in range(first, first + count):
        yield Bed(f"trained {seed}", trained(seed, steps=steps))


def gaussian(
    sizes: list[int], *, axes: int, channels: int = 1, exponent: float = 2.0, level: float = 0.1, at: str = "high",
    processes: tuple[str, ...] = ("cosine",) * 3,
) -> Cascade:  # fmt: skip
    """A line of exact stages."""
    stages = []
    for i, size in enumerate(sizes):
        noise = {"std": level, "train_std": [0, 1], "at": at}
        low = {"low": {"from": NAMES[i - 1], "resize": "fourier", "noise": noise}}
        stages.append({
            **exact(i, [sizes[-1]] * axes, exponent), "out": {"channels": channels, "size": [size] * axes},
            "process": {"kind": processes[i]}, **({"inputs": low} if i else {}),
        })  # fmt: skip
    return Cascade.from_spec(parse({"name": "gaussian", "stages": stages}))


def exact(i: int, size: list[int], exponent: float = 2.0) -> dict[str, Any]:
    """The i-th stage of a Gaussian cascade, without what joins it to others."""
    form = {"kind": "gaussian", "size": size, "exponent": exponent, "std": 0.5}
    return {"name": NAMES[i], "role": ROLES[i], **form, "solver": {"kind": "dpmpp-2m", "steps": 24}}


def parallel() -> list[dict[str, Any]]:
    """Two stages that are joined by a third: below a cutoff from one, above it from the other."""
    low = {"low": {"from": ["base", "other"], "merge": "bands", "cutoff": 0.5, "resize": "fourier",
                   "noise": {"std": 0.1, "train_std": [0, 1]}}}  # fmt: skip
    out = {"channels": 3, "size": [8, 8]}
    first = {**exact(0, [16, 16]), "out": out}
    return [first, {**first, "name": "other"}, {**exact(1, [16, 16]), "inputs": low, "out": {**out, "size": [16, 16]}}]


def recursive() -> list[dict[str, Any]]:
    """A stage that is applied to its own output."""
    low = {"low": {"from": "base", "resize": "fourier", "noise": {"std": 0.1, "train_std": [0, 1]}}}
    bridge = {**exact(1, [32, 32]), "inputs": low, "out": {"channels": 1, "scale": 2}, "repeat": {"times": 2}}
    return [{**exact(0, [32, 32]), "out": {"channels": 1, "size": [8, 8]}}, bridge]


def empirical(
    sizes: list[int], *, text: bool = True, data: dict[str, Any] | None = None, process: dict[str, Any] | None = None
) -> Cascade:
    """A line of stages over stored pictures."""
    stages = []
    for i, size in enumerate(sizes):
        low = {"low": {"from": NAMES[i - 1], "noise": {"std": 0.1, "train_std": [0, 1]}}}
        last = process if process and i == len(sizes) - 1 else {"kind": "cosine"}
        stages.append({
            "name": NAMES[i], "role": ROLES[i], "kind": "empirical", "data": data or {"kind": "bundled"},
            "solver": {"steps": 8}, "process": last, "out": {"size": [size, size]}, **({"inputs": low} if i else {}),
        })  # fmt: skip
    asked = {"condition": {"text": {}}} if text else {}
    return Cascade.from_spec(parse({"name": "empirical", "stages": stages, **asked}))


def trained(seed: int, *, steps: int) -> Cascade:
    """Two small networks, 8 and 16 sites, trained on 4000 exact signals."""
    from dynaxx.lens.reference import find
    from dynaxx.train import train

    folder = Path(tempfile.mkdtemp(prefix="dynaxx-bed-"))
    twin = gaussian([8, 16], axes=1)
    signals = find(twin.spec, 4000, seed=seed)
    assert signals is not None
    (folder / "signals").mkdir()
    for i, x in enumerate(signals.grids[(16,)].numpy() / 1.5):  # a file each: of an archive all members are listed anew
        np.save(folder / "signals" / f"{i:04d}.npy", x)
    learn = {"steps": steps, "batch_size": 64, "seed": seed, "ema": {"half_life_images": 8000},
             "optimizer": {"lr": 2e-3, "warmup_steps": 50, "decay": "cosine"}}  # fmt: skip
    network = {"width": 32, "mults": [1, 2], "blocks": 1, "attention": []}
    stages = [
        {"name": name, "role": name, "network": network, "train": learn, "out": {"channels": 1, "size": [size]}}
        for name, size in (("base", 8), ("bridge", 16))
    ]
    stages[1]["inputs"] = {"low": {"from": "base", "noise": {"std": 0.05, "train_std": [0.0, 0.4]}}}
    data = {"kind": "fields", "path": str(folder / "signals"), "range": [-1, 1], "axes": 1, "kernel": "fourier"}
    spec = parse({"name": "trained", "data": data, "stages": stages})
    return Cascade.from_pretrained(train(spec, out=folder / "run").folder)
