"""Who a stage and a cascade are: `weights_id` for what was trained, `run_id` for what changes a sample.

Both hash what a file comes to, not how it is written: defaults left out, grids and kernels resolved. So two
spellings of one thing agree, and an option that a later version adds changes no id of those who do not use it.
"""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import Any

from dynaxx.errors import SpecError
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.grids import Grids, resolve
from dynaxx.spec.passes import levels
from dynaxx.spec.plain import plain
from dynaxx.spec.problem import did_you_mean
from dynaxx.spec.resolved import edge_as_resolved, grid_as_resolved, out_as_resolved
from dynaxx.spec.stage import TRAINABLE, DenoisingStage, DiffusionStage, StageSpec
from dynaxx.spec.topology import upstream

RUN_ONLY = (
    "name",
    "role",
    "solver",
    "weights",
    "repeat",
    "call",
    "inputs",
    "out",
    "tile",
    "cache",
    "guidance_interval",
)
"""Stage fields that are no part of what was trained, or enter it in another form (inputs and out, as grids)."""
NOT_SAMPLED = ("name", "role", "weights", "repeat", "inputs", "out", "train")
"""Stage fields that change no sample, or enter in another form; where weights lie does not say what they are."""
PLACES = ("path", "font")
"""Where data lies does not say what it is; a training knows it by its content."""


def digest(data: Any) -> str:
    """16 hex digits for plain data: blake2b over JSON with sorted keys."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return blake2b(text.encode(), digest_size=8).hexdigest()


def stage_weights_id(spec: CascadeSpec, name: str) -> str:
    """The id of what a stage learns from: network, process, prediction, data, edges as trained, training, condition.

    Names, solver and run-time levels are not in it; upstream's id is, where its outputs are trained on. Data and
    condition are those of kinds that are trained here; the others have what stands on themselves only.

    Raises:
        SpecError: if there is no such stage.
    """
    return digest(stage_facts(spec, name))


def stage_weights_ids(spec: CascadeSpec, name: str) -> tuple[str, str]:
    """The id, and the one that the stage had when the path of the data was part of it: folders of then are still good.

    Raises:
        SpecError: if there is no such stage.
    """
    return stage_weights_id(spec, name), digest(_facts(spec, name, resolve(spec), places=True))


def stage_facts(spec: CascadeSpec, name: str) -> dict[str, Any]:
    """All that a stage learns from, as the plain data that its id is the digest of.

    Raises:
        SpecError: if there is no such stage.
    """
    return _facts(spec, name, resolve(spec))


def stage_run_id(spec: CascadeSpec, name: str) -> str:
    """The id of all that changes what a stage makes of its inputs: its `weights_id`, solver, and levels.

    Raises:
        SpecError: if there is no such stage.
    """
    return digest(_sampled(spec, _named(spec, name), resolve(spec)))


def run_id(spec: CascadeSpec) -> str:
    """The id of all that changes a sample but seed and prompt; what is for training only enters by weights ids."""
    grids = resolve(spec)
    asked = {key: _without(section, "dropout") for key, section in plain(spec.condition).items()}
    return digest(
        {
            "version": spec.version,
            "condition": asked,
            "inputs": {name: grid_as_resolved(spec, grid) for name, grid in grids.given.items()},
            "stages": {stage.name: _sampled(spec, stage, grids) for stage in spec.stages},
        }
    )


def _sampled(spec: CascadeSpec, stage: StageSpec, grids: Grids) -> dict[str, Any]:
    said = _without(_said(stage), *NOT_SAMPLED)
    if isinstance(stage, DenoisingStage) and stage.solver.kind != "ancestral":
        said["solver"] = _without(said.get("solver", plain(stage.solver)), "eta")
    return {
        **said,
        "weights_id": digest(_facts(spec, stage.name, grids)),
        "out": [out_as_resolved(spec, stage, grid) for grid in grids.outs[stage.name]],
        "inputs": {
            key: {
                **edge_as_resolved(spec, stage, edge, grids),
                "from": list(edge.parents),
                "mask": edge.mask,
                "std": list(levels(stage, edge)),
                "blur_std": edge.blur_std,
            }
            for key, edge in stage.inputs.items()
        },
    }  # fmt: skip


def _named(spec: CascadeSpec, name: str) -> StageSpec:
    stage = next((stage for stage in spec.stages if stage.name == name), None)
    if stage is None:
        names = [stage.name for stage in spec.stages]
        raise SpecError(f"stage {name!r}", "is unknown.", f"{did_you_mean(name, names)}Known: {', '.join(names)}.")
    return stage


def _facts(spec: CascadeSpec, name: str, grids: Grids, *, places: bool = False) -> dict[str, Any]:
    stage = _named(spec, name)
    return {
        **_without(_said(stage), *RUN_ONLY),
        **(_taught(spec, stage, grids, places) if isinstance(stage, TRAINABLE) else {}),
        "out": out_as_resolved(spec, stage, grids.outs[name][0]),
        "inputs": {key: _edge(spec, stage, key, grids) for key in stage.inputs},
    }


def _said(stage: StageSpec) -> dict[str, Any]:
    """The stage's plain form; a prediction that follows from the process is as good as said."""
    return plain(stage) | ({"prediction": stage.predicts} if isinstance(stage, DiffusionStage) else {})


def _taught(spec: CascadeSpec, stage: StageSpec, grids: Grids, places: bool) -> dict[str, Any]:
    train, data = getattr(stage, "train", None), plain(spec.data)
    trained_on = upstream(stage) if train and train.generated > 0 else ()
    return {
        "train": _without(plain(train) or {}, "gradient_checkpointing"),
        "data": data if places or data is None else _without(data, *PLACES),
        "condition": plain(spec.condition),
        "upstream": [digest(_facts(spec, name, grids, places=places)) for name in trained_on],
    }


def _edge(spec: CascadeSpec, stage: StageSpec, key: str, grids: Grids) -> dict[str, Any]:
    """The edge as it is trained: how a state is handed over is a matter of the run."""
    return _without(edge_as_resolved(spec, stage, stage.inputs[key], grids), "hand", "hand_std")


def _without(data: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key not in keys}
