"""Where a stage's weights go at an event, whatever the stage can do by itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from dynaxx.signal.device_memory import held_bytes, total_bytes
from dynaxx.stage.condition import Condition
from dynaxx.stage.stage import EncodesPrompts, Fetched, Stage, Streams

WORKINGS = 0.2
"""The share of a device that is left to signals and the networks' workings when weights are fetched ahead."""


def move(
    kind: str, stage: Stage, device: torch.device, condition: Condition | None, *, cap_bytes: int | None = None
) -> None:
    """Carry out `fetch`, `stream`, `ahead` or `evict`; a stage that opens nothing by itself is moved as it is."""
    texts = condition.texts if condition is not None else ()
    if kind == "ahead":
        if isinstance(stage, Fetched):
            stage.ahead(device, room_bytes(device, cap_bytes))
    elif kind == "evict":
        stage.evict() if isinstance(stage, Fetched) else stage.to(torch.device("cpu"))
    elif kind == "stream" and isinstance(stage, Streams):
        stage.stream(device, texts)
    elif isinstance(stage, Fetched):
        stage.fetch(device, texts)
    else:
        stage.to(device)


def encode_first(
    stages: Mapping[str, Stage], asked: Collection[str], device: torch.device, condition: Condition
) -> None:
    """Have the stages in `asked` encode their prompts, while no stage's weights are on the device.

    Weights that stayed there from the run before, or were on their way, are let go of where encoders will be needed.
    """
    texts = condition.texts
    found = [stages[name] for name in asked]
    encoding = [stage for stage in found if isinstance(stage, EncodesPrompts) and stage.encodes(device, texts)]
    for stage in stages.values() if encoding else ():
        if isinstance(stage, Fetched):
            stage.evict()
    for stage in encoding:
        stage.encode_prompts(device, texts)


def room_bytes(device: torch.device, cap_bytes: int | None) -> int | None:
    """What a device has room for beside what it holds, within the cap; None where nobody says how much it has."""
    total, held = total_bytes(device), held_bytes(device)
    return None if total is None else left_bytes(total, cap_bytes, held or 0)


def left_bytes(total: int, cap_bytes: int | None, held: int) -> int:
    """What is left for weights of a device of `total` bytes that holds `held`; below 0 where it holds more."""
    limit = total if cap_bytes is None else min(cap_bytes, total)
    return int(limit * (1 - WORKINGS)) - held


def moved_bytes(kind: str, stage: Stage, device: torch.device) -> int | None:
    """The bytes of the weights that an event is about: none where they would be brought to where they are."""
    there = stage.holds(device) if isinstance(stage, Fetched) else _on(stage, device)
    return 0 if kind in ("fetch", "stream") and there else weights_bytes({"": stage})[""]


def weights_bytes(stages: Mapping[str, Stage]) -> dict[str, int | None]:
    """The bytes that each stage's weights take; stages without weights of their own that nobody counts take none."""
    return {name: stage.weights_bytes if isinstance(stage, Fetched) else _held(stage) for name, stage in stages.items()}


def _held(stage: Stage) -> int:
    return sum(x.numel() * x.element_size() for x in _state(stage))


def _on(stage: Stage, device: torch.device) -> bool:
    return all(x.device == device for x in _state(stage))


def _state(stage: Stage) -> list[Tensor]:
    network = getattr(stage, "network", None)
    return list(network.state_dict().values()) if isinstance(network, torch.nn.Module) else []
