"""Who a stage and a cascade are: `weights_id` for what was trained, `run_id` for what changes a sample.

Both hash the plain form, in which a default said aloud and one left out are the same, and an option that a
later version adds changes no id of those who do not use it.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from hashlib import blake2b
from typing import Any

from dynaxx.errors import SpecError
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.edge import EdgeSpec
from dynaxx.spec.grids import Grids, resolve
from dynaxx.spec.plain import plain
from dynaxx.spec.problem import did_you_mean
from dynaxx.spec.stage import StageSpec
from dynaxx.spec.topology import upstream

RUN_ONLY = ("name", "role", "solver", "weights", "repeat", "call", "inputs", "out")
"""Stage fields that are no part of what was trained, or enter it in another form (inputs and out, as grids)."""
NOT_TRAINED = {"hand", "hand_std"}
NOT_SAMPLED = {"name", "description", "budget", "data", "stages"}


def digest(data: Any) -> str:
    """16 hex digits for plain data: blake2b over JSON with sorted keys."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return blake2b(text.encode(), digest_size=8).hexdigest()


def stage_weights_id(spec: CascadeSpec, name: str) -> str:
    """The id of what a stage learns from: network, process, prediction, data, edges as trained, training, condition.

    Names, solver and run-time levels are not in it; upstream's id is, where its outputs are trained on.

    Raises:
        SpecError: if there is no such stage.
    """
    return _weights_id(spec, name, resolve(spec))


def run_id(spec: CascadeSpec) -> str:
    """The id of all that changes a sample but seed and prompt; what is for training only enters by weights ids."""
    grids = resolve(spec)
    stages = {
        stage.name: {**_without(plain(stage), "train"), "weights_id": _weights_id(spec, stage.name, grids)}
        for stage in spec.stages
    }
    return digest({**_without(plain(spec), *NOT_SAMPLED), "stages": stages})


def _weights_id(spec: CascadeSpec, name: str, grids: Grids) -> str:
    stage = next((stage for stage in spec.stages if stage.name == name), None)
    if stage is None:
        names = [stage.name for stage in spec.stages]
        raise SpecError(f"stage {name!r}", "is unknown.", f"{did_you_mean(name, names)}Known: {', '.join(names)}.")
    trained = _without(plain(stage), *RUN_ONLY)
    trained["train"] = _without(trained.get("train", {}), "gradient_checkpointing")
    return digest(
        {
            **trained,
            "data": trained.get("data", plain(spec.data)),
            "condition": plain(spec.condition),
            "out": _out(stage, grids),
            "inputs": {key: _edge(spec, edge, grids) for key, edge in stage.inputs.items()},
            "upstream": _upstream(spec, stage, grids),
        }
    )


def _out(stage: StageSpec, grids: Grids) -> Any:
    grid = grids.outs[stage.name][0]
    return asdict(grid) if grid else plain(stage.out)


def _edge(spec: CascadeSpec, edge: EdgeSpec, grids: Grids) -> dict[str, Any]:
    """The edge as it is trained: what it reads by grid, not by name; ranges, not the levels of a run."""
    said = _without(plain(edge), *NOT_TRAINED)
    for key in ("noise", "blur"):
        if key in said:
            said[key] = _without(said[key], "std")
    said["from"] = [_read(spec, name, grids) for name in edge.parents]
    return said | ({"mask": _read(spec, edge.mask, grids)} if edge.mask else {})


def _read(spec: CascadeSpec, name: str, grids: Grids) -> Any:
    if grid := grids.of(name):
        return asdict(grid)
    return next(plain(stage.out) for stage in spec.stages if stage.name == name)


def _upstream(spec: CascadeSpec, stage: StageSpec, grids: Grids) -> list[str]:
    train = getattr(stage, "train", None)
    trained_on = upstream(stage) if train and train.generated > 0 else ()
    return [_weights_id(spec, name, grids) for name in trained_on]


def _without(data: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key not in keys}
