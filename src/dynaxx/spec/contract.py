"""What a stage needs and promises at its edges, so that it can move between cascades; no weights are read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from dynaxx.spec.base import Count, Spec, Std
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.edge import EdgeNoise, EdgeSpec
from dynaxx.spec.graph import Node, kernels
from dynaxx.spec.grid import Grid
from dynaxx.spec.stage import CustomStage, DenoisingStage, DiffusionStage, PipelineStage, StageSpec

Unknown = Literal["unknown"]
UNKNOWN: Unknown = "unknown"
"""What stands for a fact that no configuration states; it is never assumed, and never a mismatch."""
FOREIGN = (PipelineStage, CustomStage)


class GridContract(Spec):
    """A signal: channels, size, value range, space; a latent is (code - shift) * scale."""

    channels: Count
    size: tuple[Count, ...]
    range: tuple[float, float] | Unknown = UNKNOWN
    space: str = "pixels"
    codec: str | None = None
    scale: float | None = None
    shift: float | None = None


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


class Contract(Spec):
    """A stage's edges and conventions; `none` is a stated absence, `unknown` is not stated."""

    kind: str
    out: GridContract
    inputs: dict[str, InputContract]
    prediction: str
    process: str
    text_encoder: str


def contract_of(spec: CascadeSpec, node: Node) -> Contract:
    """The contract of a node's stage, as the cascade states it."""
    stage, text = node.stage, spec.condition.text
    foreign = isinstance(stage, FOREIGN)
    return Contract(
        kind=stage.kind,
        out=_grid(spec, node.out),
        inputs={
            key: _input(spec, stage, given.edge, given.grid, node.out) for key, given in node.inputs.items()
        },
        prediction=_prediction(stage),
        process=stage.process.kind if isinstance(stage, DenoisingStage) else UNKNOWN if foreign else "none",
        text_encoder=UNKNOWN if foreign else text.encoder if text else "none",
    )  # fmt: skip


def _prediction(stage: StageSpec) -> str:
    if isinstance(stage, DiffusionStage):
        return stage.prediction
    return UNKNOWN if isinstance(stage, FOREIGN) else "x"


def _grid(spec: CascadeSpec, grid: Grid) -> GridContract:
    if grid.space == "pixels":
        return GridContract(channels=grid.channels, size=grid.size, range=(-1.0, 1.0))
    codec = spec.codecs[grid.space]
    return GridContract(
        channels=grid.channels, size=grid.size, space="latent", codec=codec.load, scale=codec.scale, shift=codec.shift
    )


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
    "space": "Decode or encode between them with the codec.",
    "codec": "Use the same codec, or decode and encode between them.",
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
    "process": "Set `process` to the stage's.",
    "text_encoder": "Set `condition.text.encoder` to the stage's.",
}


def mismatches(have: Contract, want: Contract) -> list[str]:
    """Why a stage with contract `have` does not fit a place that asks for `want`: both sides and the remedy.

    Trained ranges fit where the stage's holds the place's. What is unknown on either side is no mismatch.
    """
    ours, theirs = have.model_dump(exclude={"kind"}), want.model_dump(exclude={"kind"})
    return list(_compare(ours, theirs, ()))


def _compare(have: Any, want: Any, path: tuple[str, ...]) -> Iterator[str]:
    if isinstance(have, dict) and isinstance(want, dict):
        for key in dict.fromkeys([*have, *want]):
            here = (*path, key)
            if key in have and key in want:
                yield from _compare(have[key], want[key], here)
            elif key in have:
                yield f"{'.'.join(here)}: the stage needs it, and the place does not give it. Add the input."
            else:
                yield f"{'.'.join(here)}: the place gives it, and the stage does not take it. Remove the input."
    elif UNKNOWN not in (have, want) and not _fits(have, want, path[-1]):
        remedy = REMEDY.get(path[-1], "Make both sides agree.")
        yield f"{'.'.join(path)}: the stage has {_said(have)}, the place wants {_said(want)}. {remedy}"


def _said(value: Any) -> str:
    return "none" if value is None else "some" if isinstance(value, dict) else repr(value)


def _fits(have: Any, want: Any, key: str) -> bool:
    if key in ("train_std", "blur_std") and have and want:
        return bool(have[0] <= want[0] and want[1] <= have[1])
    return bool(have == want)
