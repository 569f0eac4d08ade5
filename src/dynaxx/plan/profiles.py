"""The profile of every stage, rehearsed once and kept: by content, in memory and in the cache folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b
from typing import Any

import torch

from dynaxx.errors import RunError
from dynaxx.plan.growth import Scale
from dynaxx.plan.profile import Profile
from dynaxx.plan.rehearse import Mode, rehearse, sometimes_guided
from dynaxx.plan.workspace import block
from dynaxx.spec.condition import ConditionSpec
from dynaxx.spec.graph import Node
from dynaxx.spec.network import DiffusersNetworkSpec, UNetSpec
from dynaxx.spec.plain import plain
from dynaxx.spec.stage import DenoisingStage, DiffusionStage, EmpiricalStage, GaussianStage, RegressionStage
from dynaxx.stage.stage import Stage
from dynaxx.store.cache import cache_folder, recall, remember

FORMAT = 8
"""Of the kept profiles; raised whenever what a rehearsal finds changes."""
OPEN_KINDS = (DiffusionStage, RegressionStage)
EXACT_KINDS = (EmpiricalStage, GaussianStage)
Building = Callable[[Node], Stage]
_kept: dict[str, Profile] = {}


def profile_of(node: Node, asks: ConditionSpec, *, mode: Mode = "sample", build: Building | None = None) -> Profile:
    """What a node takes: from memory, from the cache folder, or by a rehearsal.

    `build` makes stages whose cost depends on their data (exact ones); without it they cannot be planned.

    Raises:
        RunError: if the stage cannot be rehearsed.
        SpecError: if its network cannot be built.
    """
    for scale in _scales(node):
        key = key_of(node, asks, scale, mode)
        if (found := _recalled(key)) and found.scale.covers(node.grid.size):
            return found
    return _rehearsed(node, asks, mode, build)


def _rehearsed(node: Node, asks: ConditionSpec, mode: Mode, build: Building | None) -> Profile:
    """By formulas that hold for every size where that can be, else at this size."""
    scales, failed = _scales(node), None
    for scale in scales:
        try:
            stage = build(node) if build and isinstance(node.stage, EXACT_KINDS) else None
            if stage is not None:
                rehearse(node, asks, scale, mode=mode, stage=stage)  # what it makes of its signals once is no sample's
            found = rehearse(node, asks, scale, mode=mode, stage=stage)
        except RunError as error:
            failed = error
            continue
        if isinstance(node.stage, OPEN_KINDS):
            key = key_of(node, asks, scale, mode)
            _kept[key] = found
            remember(cache_folder("profiles", f"{key}.json"), found.to_json())
        return found
    assert failed is not None
    raise failed


def _recalled(key: str) -> Profile | None:
    if key not in _kept and (data := recall(cache_folder("profiles", f"{key}.json"))) is not None:
        with suppress(KeyError, TypeError, ValueError):  # not what this version keeps
            _kept[key] = Profile.from_json(data)
    return _kept.get(key)


def _scales(node: Node) -> list[Scale]:
    """How to rehearse a node: open to every size that its network halves evenly, and at its own size."""
    size, own = node.grid.size, Scale(len(node.grid.size), 1, fixed=node.grid.size)
    if not isinstance(node.stage, OPEN_KINDS):
        return [own]
    open_ = Scale(len(size), cell_of(node.stage.network))
    return [open_, own] if open_.covers(size) else [own]


def cell_of(network: UNetSpec | DiffusersNetworkSpec) -> int:
    """The sites at the finest resolution that are one at the coarsest."""
    if isinstance(network, UNetSpec):
        return 2 ** (len(network.mults) - 1)
    widths = network.config.get("block_out_channels")
    return 2 ** (len(widths) - 1) if isinstance(widths, list) else 16


def name_of(node: Node, asks: ConditionSpec, *, mode: Mode = "sample") -> str | None:
    """What names a node's work by its content; None for kinds whose work depends on more than their spec."""
    return key_of(node, asks, _scales(node)[0], mode) if isinstance(node.stage, OPEN_KINDS) else None


def key_of(node: Node, asks: ConditionSpec, scale: Scale, mode: Mode) -> str:
    """A hash of all that a profile depends on."""
    stage = node.stage
    facts: dict[str, Any] = {
        "format": FORMAT, "torch": torch.__version__, "mode": mode, "kind": stage.kind,
        "scale": [scale.rank, scale.cell, scale.fixed], "channels": node.grid.channels, "asks": plain(asks),
        "inputs": {name: _input(node, name) for name in node.inputs},
        "threads": torch.get_num_threads(), "block": block(),
    }  # fmt: skip
    if isinstance(stage, OPEN_KINDS):
        facts["network"] = plain(stage.network)
        facts["train"] = _training(stage, node.grid.size) if mode == "train" else None
    if isinstance(stage, DenoisingStage):
        solver = stage.solver
        facts["solver"] = [solver.kind, solver.guided.scale not in (0, 1), solver.clip, solver.eta > 0]
        facts["sometimes"] = sometimes_guided(stage)
        facts["process"] = stage.process.kind
        facts["prediction"] = stage.predicts if isinstance(stage, DiffusionStage) else None
    return blake2b(json.dumps(facts, sort_keys=True, default=str).encode(), digest_size=12).hexdigest()


def _input(node: Node, name: str) -> Any:
    return node.channels_of(name), plain(node.inputs[name].edge.model_copy(update={"from_": "any", "mask": None}))


def _training(stage: DiffusionStage | RegressionStage, size: tuple[int, ...]) -> Any:
    train = stage.train
    facts = (train.ema is None, train.gradient_checkpointing, min(train.accumulate, 2)) if train else None
    return facts, len(size) == 2 and size[0] * size[1] <= 32 * 32
