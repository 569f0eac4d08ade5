"""The table of a pretrained pipeline: parameters, FLOPs, memory and time of its networks, from configurations alone."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import nn

from dynaxx.errors import UsageError
from dynaxx.plan.evaluated import evaluated
from dynaxx.plan.profile import Profile
from dynaxx.plan.time.choose import Clock, clock_for
from dynaxx.spec.grid import by_x
from dynaxx.stage.pipeline.bare import bare_network
from dynaxx.stage.pipeline.evaluation import evaluation
from dynaxx.store.cache import cache_folder, recall, remember

FILE = Path(__file__).with_name("pipelines.yaml")
FORMAT = 4
"""Of the kept tables; raised whenever what a rehearsal finds changes."""
SAMPLES = 1


def published() -> dict[str, Any]:
    """All pipelines whose configurations are known, by name."""
    found: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return found


def published_table(name: str, device: str = "cpu") -> dict[str, Any]:
    """Every stage of a pipeline: what its network is, what one evaluation of one sample takes, and where this was read.

    Kept in the cache folder, so that a second question does not build the networks again. Seconds are those of
    `device`; None where nothing tells them.

    Raises:
        UsageError: if no pipeline of that name is known, or no such device.
    """
    clock, source = clock_for(device)
    found = _rehearsed(name)
    stages = [_timed(stage, clock) for stage in found["stages"]]
    return {**found, "device": device, "clock": source, "stages": stages}


def _timed(stage: Mapping[str, Any], clock: Clock | None) -> dict[str, Any]:
    """A stage's row, with the seconds of one evaluation in place of the profile that they are told from."""
    profile, size = Profile.from_json(stage["profile"]), tuple(stage["size"])
    told = None
    if clock is not None and clock.knows(profile):
        told = asdict(clock.seconds(profile, profile.evaluations[1], SAMPLES, size))
    shown = {key: value for key, value in stage.items() if key not in ("profile", "size")}
    return {**shown, "evaluation_s": told}


def _rehearsed(name: str) -> dict[str, Any]:
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
    profile = one_evaluation(network, size)
    flops, peak = profile.flops(profile.evaluations[1], SAMPLES, size), profile.peak_bytes(SAMPLES, size, on_cpu=False)
    return {
        "name": stage["name"], "grid": by_x((stage["network"]["in_channels"], *size)),
        "parameters": profile.parameters, "weights_bytes": profile.weights, "flops_per_evaluation": flops,
        "peak_bytes": peak, "dtype": profile.dtype, "size": list(size), "profile": profile.to_json(),
        "source": stage["source"], "converted": bool(stage.get("converted")),
    }  # fmt: skip


def one_evaluation(network: nn.Module, size: tuple[int, ...]) -> Profile:
    """One evaluation of one sample, in the network's number format."""
    return evaluated(network, evaluation(network, SAMPLES, size), size)
