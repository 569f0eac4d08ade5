"""Rules on one stage: what its sections ask of each other. Each yields (key below the stage, what, fix)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dynaxx.spec.grid import PIXELS
from dynaxx.spec.rules_edges import Fault
from dynaxx.spec.rules_names import codec_faults
from dynaxx.spec.stage import TRAINABLE, DenoisingStage, DiffusionStage, StageSpec
from dynaxx.spec.topology import upstream

if TYPE_CHECKING:
    from dynaxx.spec.cascade import CascadeSpec


def role(spec: CascadeSpec, stage: StageSpec) -> Iterator[Fault]:
    """A bridge or a refine stage has a low input."""
    if stage.role != "base" and "low" not in stage.inputs:
        fix = "Name what it reads with `from: <stage>`, or set `role: base`."
        yield "inputs.low", f"is missing: a {stage.role} stage continues from a lower one.", fix


def truncated(spec: CascadeSpec, stage: StageSpec) -> Iterator[Fault]:
    """A truncated process starts at a low input."""
    if isinstance(stage, DenoisingStage) and stage.process.kind == "truncated" and "low" not in stage.inputs:
        yield "process.kind", "is 'truncated', which starts at a low input, and there is none.", "Give `inputs.low`."


def prediction(spec: CascadeSpec, stage: StageSpec) -> Iterator[Fault]:
    """`edm` is for karras and `v` is not; `u` needs a path linear in t; `eps` cannot say x where alpha is 0."""
    if not isinstance(stage, DiffusionStage):
        return
    wants, kind = stage.prediction, stage.process.kind
    if wants == "edm" and kind != "karras":
        yield "prediction", f"is 'edm', but the process is {kind!r}.", "Set `process: {kind: karras}`, or predict v."
    if wants == "u" and kind not in ("flow", "truncated"):
        yield "prediction", f"is 'u', but the process is {kind!r}.", "Set `process: {kind: flow}`, or predict v."
    if wants == "v" and kind == "karras":
        yield "prediction", "is 'v', whose target grows with the level of a karras process.", "Predict edm, x or eps."
    inside = any(edge.via == "start" for edge in stage.inputs.values())
    if wants == "eps" and kind in ("flow", "truncated") and not inside:
        yield "prediction", f"is 'eps', which leaves x unknown where a {kind} process starts.", "Predict x, v or u."


def repeat(spec: CascadeSpec, stage: StageSpec) -> Iterator[Fault]:
    """A repeated stage reads its own output as `low`; levels per pass need noise on that edge, one for each."""
    if stage.repeat is None:
        return
    low, times, stds = stage.inputs.get("low"), stage.repeat.times, stage.repeat.std
    if low is None and (times > 1 or stds):
        yield "repeat", "needs a low input to feed the output back to.", "Give `inputs.low`, or remove `repeat`."
        return
    if stds is None or low is None:
        return
    if len(stds) != times:
        yield "repeat.std", f"has {len(stds)} levels for {times} passes.", "Give one per pass."
    if low.noise is None:
        yield "repeat.std", "sets levels, but no noise is put on the low input.", "Give `inputs.low.noise`."
    elif low.noise.train_std and not all(low.noise.train_std[0] <= std <= low.noise.train_std[1] for std in stds):
        fix = "Set levels within, or widen `inputs.low.noise.train_std`."
        yield "repeat.std", f"{list(stds)} leaves train_std {list(low.noise.train_std)}.", fix


def guidance(spec: CascadeSpec, stage: StageSpec) -> Iterator[Fault]:
    """Guidance strengthens a condition, so there must be one."""
    asked = spec.condition
    if isinstance(stage, DenoisingStage) and stage.solver.guided.scale != 1 and not (
        asked.text or asked.label or asked.field
    ):  # fmt: skip
        what = f"is {stage.solver.guided.scale:g}, but the cascade takes no condition."
        yield "solver.guidance", what, "Declare `condition`, or leave guidance at 1."


def withheld(spec: CascadeSpec, stage: StageSpec) -> Iterator[Fault]:
    """Guidance asks a network about no condition, so it must have been trained without one now and then."""
    asked = spec.condition
    declared = {key: part for key in ("text", "label", "field") if (part := getattr(asked, key))}
    if not isinstance(stage, DiffusionStage) or stage.solver.guided.scale == 1 or not declared:
        return
    if not any(part.dropout for part in declared.values()):
        what = f"is {stage.solver.guided.scale:g}, but no condition is ever withheld in training: dropout is 0."
        fix = f"Set condition.{next(iter(declared))}.dropout, say 0.1, or leave guidance at 1."
        yield "solver.guidance", what, fix


def attention(spec: CascadeSpec, stage: StageSpec) -> Iterator[Fault]:
    """Attention is placed at resolutions that the network has."""
    if not isinstance(stage, TRAINABLE) or stage.network.kind != "unet":
        return
    count = len(stage.network.mults)
    if wrong := [index for index in stage.network.attention if not 0 <= index < count]:
        fix = f"Use 0 (the finest) to {count - 1}."
        yield "network.attention", f"names resolution {wrong[0]}, but `mults` has {count}.", fix


def generated(spec: CascadeSpec, stage: StageSpec) -> Iterator[Fault]:
    """Training on upstream's output needs an upstream."""
    train = getattr(stage, "train", None)
    if train is not None and train.generated > 0 and not upstream(stage):
        fix = "Set it to 0, or read from a stage."
        yield "train.generated", f"is {train.generated:g}, but no stage is upstream.", fix


def space(spec: CascadeSpec, stage: StageSpec) -> Iterator[Fault]:
    """A latent space is that of a declared codec, with its channels, and has no range to clip to."""
    for key, what, fix in codec_faults(spec, stage.out.space, stage.out.channels):
        yield f"out.{key}", what, fix
    if isinstance(stage, DenoisingStage) and stage.solver.clip != "none" and stage.out.space != PIXELS:
        what = f"is {stage.solver.clip!r}, which keeps estimates in [-1, 1], but latents have no such range."
        yield "solver.clip", what, "Leave it out."


RULES = (role, truncated, prediction, repeat, guidance, withheld, attention, generated, space)
