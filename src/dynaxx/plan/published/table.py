"""The table of a pretrained pipeline: parameters, FLOPs and memory of its networks, from configurations alone."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import nn

from dynaxx.errors import UsageError
from dynaxx.plan.growth import Scale, evaluate
from dynaxx.plan.kernels import RealKernels
from dynaxx.plan.tracker import Tracker
from dynaxx.stage.pipeline.bare import bare_network, evaluation
from dynaxx.store.cache import cache_folder, recall, remember

FILE = Path(__file__).with_name("pipelines.yaml")
FORMAT = 2
"""Of the kept tables; raised whenever what a rehearsal finds changes."""
SAMPLES = 1
HALF = 2
"""Bytes of a number in the half precision that such networks are run in."""


def published() -> dict[str, Any]:
    """All pipelines whose configurations are known, by name."""
    found: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return found


def published_table(name: str) -> dict[str, Any]:
    """Every stage of a pipeline: what its network is, what one evaluation of one sample takes, and where this was read.

    Kept in the cache folder, so that a second question does not build the networks again.

    Raises:
        UsageError: if no pipeline of that name is known.
    """
    known, kept = published(), cache_folder("published", f"{name}-{_content()}.json")
    if name not in known:
        raise UsageError("--pretrained", f"{name!r} is not known.", f"Known: {', '.join(known)}.")
    found: dict[str, Any] | None = recall(kept)
    if found is None:
        with _uncollected():
            stages = [_stage(stage, f"{name}, {stage['name']}") for stage in known[name]["stages"]]
        found = {"name": name, "title": known[name]["title"], "stages": stages}
        remember(kept, found)
    return found


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without a search for garbage cycles: it would take a fifth of the time that foreign libraries take to load."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _content() -> str:
    """All that a table depends on."""
    facts = (FORMAT, FILE.read_text(encoding="utf-8"), torch.__version__, version("diffusers"))
    return blake2b(repr(facts).encode(), digest_size=8).hexdigest()


def _stage(stage: Mapping[str, Any], place: str) -> dict[str, Any]:
    network = bare_network(stage["network"], place).half()
    size = tuple(stage["size"])
    flops, peak = one_evaluation(network, size)
    parameters = sum(p.numel() for p in network.parameters())
    return {
        "name": stage["name"], "grid": f"{stage['network']['in_channels']}x{size[0]}x{size[1]}",
        "parameters": parameters, "weights_bytes": HALF * parameters, "flops_per_evaluation": flops,
        "peak_bytes": peak, "source": stage["source"], "converted": bool(stage.get("converted")),
    }  # fmt: skip


def one_evaluation(network: nn.Module, size: tuple[int, ...]) -> tuple[float, float]:
    """FLOPs of one evaluation of one sample, and the bytes held at its peak, weights included."""
    tracker = Tracker(Scale(len(size), 1, fixed=size))
    for p in network.parameters():
        tracker.hold(p)
    run = evaluation(network, SAMPLES, size)
    with torch.no_grad(), RealKernels(), tracker:
        run()
    flops = sum(n * evaluate(key[2], (1.0,)) for key, n in tracker.ops.items())
    return flops, max(evaluate(height, (1.0,)) for height in (*tracker.heights.tensors, tracker.held()))
