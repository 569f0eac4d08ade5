"""Rules on wrapped pipelines: what their sections ask of each other. Each yields (key below the stage, what, fix)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dynaxx.spec.families import OWN_ARGUMENTS
from dynaxx.spec.rules_edges import Fault
from dynaxx.spec.stage import PipelineStage, StageSpec

if TYPE_CHECKING:
    from dynaxx.spec.cascade import CascadeSpec


def own_arguments(spec: CascadeSpec, stage: StageSpec) -> Iterator[Fault]:
    """What the cascade itself gives a pipeline cannot be called for."""
    for name in stage.call if isinstance(stage, PipelineStage) else ():
        if name in OWN_ARGUMENTS or name.endswith("_embeds"):
            why = OWN_ARGUMENTS.get(name, "prompts are encoded by the run")
            yield f"call.{name}", f"is not for the file: {why}.", "Remove it."


def one_level(spec: CascadeSpec, stage: StageSpec) -> Iterator[Fault]:
    """A level said on the edge is not said again, in another unit, in the call."""
    low = stage.inputs.get("low")
    if not isinstance(stage, PipelineStage) or low is None:
        return
    for name in ("strength", "denoise_strength") if low.via == "start" else ("noise_level",):
        if name in stage.call and low.noise is not None:
            fix = "Keep one of them: `noise.std` is converted to the pipeline's own unit."
            yield f"call.{name}", f"is {stage.call[name]}, and inputs.low.noise says a level too.", fix
    for name in ("denoising_start",):
        if name in stage.call and low.hand == "noisy":
            yield f"call.{name}", f"is {stage.call[name]}, and inputs.low.hand_std says it too.", "Keep one of them."


def numbers(spec: CascadeSpec, stage: StageSpec) -> Iterator[Fault]:
    """Steps are counted, and guidance is a number: pipelines take anything, and draw noise or fail midway."""
    call = stage.call if isinstance(stage, PipelineStage) else {}
    steps, guidance = call.get("num_inference_steps"), call.get("guidance_scale")
    if steps is not None and (isinstance(steps, bool) or not isinstance(steps, int) or steps < 1):
        yield "call.num_inference_steps", f"is {steps!r}.", "Give a whole number of 1 or more, or leave it out."
    if guidance is not None and (isinstance(guidance, bool) or not isinstance(guidance, int | float)):
        yield "call.guidance_scale", f"is {guidance!r}.", "Give a number, or leave it out."


def one_batch(spec: CascadeSpec, stage: StageSpec) -> Iterator[Fault]:
    """What a network keeps from step to step is of one batch, and guidance that comes and goes changes the batch."""
    if isinstance(stage, PipelineStage) and stage.cache is not None and stage.guidance_interval is not None:
        yield "guidance_interval", "changes what the network is asked, and `cache` keeps its answers.", "Remove one."


RULES = (own_arguments, one_level, numbers, one_batch)
