"""Which stages are built anew where a cascade is told other settings: those whose weights they are part of."""

from __future__ import annotations

from dynaxx.errors import SpecError
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.identity import stage_weights_id
from dynaxx.spec.stage import EmpiricalStage, GaussianStage, PipelineStage, StageSpec

EXACT = (EmpiricalStage, GaussianStage)
"""Kinds that nobody trains: whatever their settings are, they can be built anew."""


def built_anew(old: CascadeSpec, new: CascadeSpec) -> set[str]:
    """The stages of `new` that cannot go on with what was built for `old`, a spec of the same stages.

    Raises:
        SpecError: if one of them was trained.
    """
    changed = {b.name for a, b in zip(old.stages, new.stages, strict=True) if _differs(a, b, old, new)}
    free = (*EXACT, PipelineStage)
    trained = [stage.name for stage in new.stages if stage.name in changed and not isinstance(stage, free)]
    if trained:
        problem = "the settings change what was trained, not only how it runs."
        raise SpecError(f"stage {trained[0]!r}", problem, "Change the cascade file, and train the stage.")
    return changed | _piped(old, new)


def exact_stages(spec: CascadeSpec) -> set[str]:
    """The stages that nobody trains."""
    return {stage.name for stage in spec.stages if isinstance(stage, EXACT)}


def _piped(old: CascadeSpec, new: CascadeSpec) -> set[str]:
    """The wrapped pipelines, where any is told something else: they share prompts and hand over to each other."""
    before, after = ([s for s in spec.stages if isinstance(s, PipelineStage)] for spec in (old, new))
    return {stage.name for stage in after} if before != after else set()


def _differs(stage: StageSpec, other: StageSpec, old: CascadeSpec, new: CascadeSpec) -> bool:
    ids = (stage_weights_id(old, stage.name), stage_weights_id(new, other.name))
    return ids[0] != ids[1] or stage.weights != other.weights
