"""What a stage needs and promises at its edges, so that it can move between cascades; no weights are read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import JsonValue

from dynaxx.spec.base import Count, Spec, Std
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.codec import PerChannel
from dynaxx.spec.condition import ConditionSpec
from dynaxx.spec.edge import EdgeNoise, EdgeSpec
from dynaxx.spec.facts import Facts
from dynaxx.spec.graph import Node
from dynaxx.spec.grid import PIXELS, Grid
from dynaxx.spec.grids import kernels
from dynaxx.spec.stage import FOREIGN, DenoisingStage, DiffusionStage, PipelineStage, StageSpec

Unknown = Literal["unknown"]
UNKNOWN: Unknown = "unknown"
"""What stands for a fact that no configuration states; it is never assumed, and never a mismatch."""


class GridContract(Spec):
    """A signal: channels, size, value range, space; a latent is (code - shift) * scale, `codec` the codec's identity.

    Where the cascade states no identity, `load` stands for it.
    """

    channels: Count
    size: tuple[Count, ...]
    range: tuple[float, float] | Unknown = UNKNOWN
    space: str = PIXELS
    codec: str | Unknown | None = None
    load: str | Unknown | None = None
    scale: PerChannel | Unknown | None = None
    shift: PerChannel | Unknown | None = None


class NoiseContract(Spec):
    """Noise on an input: where and how it is put on, whether it is told, and the range it was trained on."""

    at: str
    form: str
    redraw: str
    told: bool
    train_std: tuple[Std, Std] | Unknown = UNKNOWN


class InputContract(Spec):
    """One input: its signal before resizing, the kernel per axis, how it enters, the noise it bears."""

    grid: GridContract
    kernels: tuple[str, ...] | Unknown
    via: str
    noise: NoiseContract | Unknown | None
    blur_std: tuple[Std, Std] | Unknown | None


class ConditionContract(Spec):
    """What a stage is asked for; None is a stated absence."""

    text_encoder: str | None = None
    text_width: Count | None = None
    label_classes: Count | None = None
    field_channels: Count | None = None


class Contract(Spec):
    """A stage's edges and conventions; `none` is a stated absence, `unknown` is not stated.

    `process` holds all of its parameters, those at their defaults, too; of a pretrained pipeline the table of timesteps
    that its scheduler states.
    """

    kind: str
    out: GridContract
    inputs: dict[str, InputContract]
    prediction: str
    process: dict[str, JsonValue] | Literal["unknown", "none"]
    condition: ConditionContract | Unknown


PREDICTIONS = {"epsilon": "eps", "sample": "x", "v_prediction": "v"}
TABLES = {"linear": "linear", "scaled_linear": "scaled-linear", "squaredcos_cap_v2": "cosine"}
"""What predictions and tables are called here, by what diffusers' schedulers call them."""


def contract_of(spec: CascadeSpec, node: Node, facts: Facts | None = None) -> Contract:
    """The contract of a node's stage, as the cascade states it, and the files of its pipeline (`facts`)."""
    stage = node.stage
    process = stage.process.model_dump(mode="json") if isinstance(stage, DenoisingStage) else None
    foreign = isinstance(stage, FOREIGN)
    return Contract(
        kind=stage.kind,
        out=_grid(spec, node.grid),
        inputs={key: _input(spec, stage, given.edge, given.grid, node.grid) for key, given in node.inputs.items()},
        prediction=PREDICTIONS.get(_scheduled(facts, "prediction_type"), UNKNOWN) if facts else _prediction(stage),
        process=process or (_table(facts) if foreign else "none"),
        condition=_encoded(stage, facts) if foreign else _condition(spec.condition),
    )


def _scheduled(facts: Facts | None, key: str) -> Any:
    return None if facts is None else facts.get("scheduler", key)


def _table(facts: Facts | None) -> dict[str, JsonValue] | Unknown:
    """The table of timesteps that a pipeline's scheduler states."""
    kind = TABLES.get(_scheduled(facts, "beta_schedule"))
    if kind is None:
        return UNKNOWN
    keys = {"first": "beta_start", "last": "beta_end", "steps": "num_train_timesteps"}
    stated = {name: value for name, key in keys.items() if (value := _scheduled(facts, key)) is not None}
    return {"kind": kind, **{name: value for name, value in stated.items() if kind != "cosine" or name == "steps"}}


def _encoded(stage: StageSpec, facts: Facts | None) -> ConditionContract | Unknown:
    """What a pipeline is asked for, where its family takes prompts: text, by encoders of its own."""
    if not isinstance(stage, PipelineStage) or facts is None or facts.family is None or not facts.family.embeds:
        return UNKNOWN
    return ConditionContract(text_encoder=f"{stage.load}/text_encoder", text_width=facts.text_width)


def _condition(asked: ConditionSpec) -> ConditionContract:
    text, label, field = asked.text, asked.label, asked.field
    return ConditionContract(
        text_encoder=text.encoder if text else None,
        text_width=text.width if text else None,
        label_classes=label.classes if label else None,
        field_channels=field.channels if field else None,
    )


def _prediction(stage: StageSpec) -> str:
    if isinstance(stage, DiffusionStage):
        return stage.predicts
    return UNKNOWN if isinstance(stage, FOREIGN) else "x"


def _grid(spec: CascadeSpec, grid: Grid) -> GridContract:
    if grid.space == PIXELS:
        return GridContract(channels=grid.channels, size=grid.size, range=(-1.0, 1.0))
    codec = spec.codecs[grid.space]
    return GridContract(
        channels=grid.channels, size=grid.size, space="latent",
        codec=codec.id or UNKNOWN, load=UNKNOWN if codec.id else codec.load,
        scale=UNKNOWN if codec.scale is None else codec.scale, shift=UNKNOWN if codec.shift is None else codec.shift,
    )  # fmt: skip


def _input(spec: CascadeSpec, stage: StageSpec, edge: EdgeSpec, grid: Grid, out: Grid) -> InputContract:
    foreign = isinstance(stage, FOREIGN)
    said = "resize" in edge.model_fields_set or not foreign
    return InputContract(
        grid=_grid(spec, grid),
        kernels=kernels(edge, out.size) if said else UNKNOWN,
        via=edge.via,
        noise=_noise(edge.noise) if edge.noise else UNKNOWN if foreign else None,
        blur_std=(edge.blur.train_std or UNKNOWN) if edge.blur else UNKNOWN if foreign else None,
    )


def _noise(noise: EdgeNoise) -> NoiseContract:
    return NoiseContract(
        at=noise.at, form=noise.form, redraw=noise.redraw, told=noise.told, train_std=noise.train_std or UNKNOWN
    )


REMEDY = {
    "channels": "Choose a stage with as many channels.",
    "size": "Set the size or the scale, or add a bridge between them.",
    "space": "Choose a stage that works in the same space, or put the edge's `resize_in` right.",
    "codec": "Set the codec's `load` and `id` to the one the stage was trained with, or train the stage anew.",
    "load": "Set the codec's `load` to the one the stage was trained with, or train the stage anew.",
    "scale": "Set the codec's scale to the one the stage was trained with.",
    "shift": "Set the codec's shift to the one the stage was trained with.",
    "kernels": "Set the edge's `resize` to the stage's kernel.",
    "noise": "Give or remove the edge's `noise` as the stage was trained.",
    "at": "Set the edge's `noise.at` to the stage's.",
    "form": "Set the edge's `noise.form` to the stage's.",
    "redraw": "Set the edge's `noise.redraw` to the stage's.",
    "told": "Set the edge's `noise.told` to the stage's.",
    "train_std": "Keep the edge's levels within the stage's range, or train it on a wider one.",
    "blur_std": "Keep the edge's blur within the stage's range, or train it on a wider one.",
    "prediction": "Set `prediction` to the stage's.",
    "text_encoder": "Set `condition.text.encoder` to the stage's.",
    "text_width": "Set `condition.text.width` to the stage's.",
    "label_classes": "Set `condition.label.classes` to the stage's.",
    "field_channels": "Set `condition.field.channels` to the stage's.",
}


def mismatches(have: Contract, want: Contract) -> list[str]:
    """Why a stage with contract `have` does not fit a place that asks for `want`: both sides and the remedy.

    Trained ranges fit where the stage's holds the place's. What is unknown on either side is no mismatch.
    """
    ours, theirs = have.model_dump(exclude={"kind"}), want.model_dump(exclude={"kind"})
    return list(_compare(ours, theirs, ()))


def _compare(have: Any, want: Any, path: tuple[str, ...]) -> Iterator[str]:
    if isinstance(have, dict) and isinstance(want, dict):
        if path == ("process",) and have["kind"] != want["kind"]:  # keys of different kinds say nothing to each other
            have, want = have["kind"], want["kind"]
            yield f"{'.'.join(path)}: the stage has {have!r}, the place wants {want!r}. {_remedy(path)}"
            return
        for key in dict.fromkeys([*have, *want]):
            here = (*path, key)
            if key in have and key in want:
                yield from _compare(have[key], want[key], here)
            elif key in have:
                yield f"{'.'.join(here)}: the stage needs it, and the place does not give it. Add the input."
            else:
                yield f"{'.'.join(here)}: the place gives it, and the stage does not take it. Remove the input."
    elif UNKNOWN not in (have, want) and not _fits(have, want, path[-1]):
        yield f"{'.'.join(path)}: the stage has {_said(have)}, the place wants {_said(want)}. {_remedy(path)}"


def _remedy(path: tuple[str, ...]) -> str:
    if path[0] == "process":
        return f"Set `{'.'.join(path)}` to the stage's."
    return REMEDY.get(path[-1], "Make both sides agree.")


def _said(value: Any) -> str:
    return "none" if value is None else "some" if isinstance(value, dict) else repr(value)


def _fits(have: Any, want: Any, key: str) -> bool:
    if key in ("train_std", "blur_std") and have and want:
        return bool(have[0] <= want[0] and want[1] <= have[1])
    return bool(have == want)
