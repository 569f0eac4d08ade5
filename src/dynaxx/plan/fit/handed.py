"""Rules on walks that are handed over half-way: both sides mean the same place on the same schedule."""

from __future__ import annotations

from dynaxx.plan.fit.agreement import Place, Rule
from dynaxx.spec.facts import Facts
from dynaxx.spec.grid import PIXELS
from dynaxx.spec.stage import PipelineStage

LOW = "inputs.low"
SCHEDULE = ("num_train_timesteps", "beta_schedule", "beta_start", "beta_end", "flow_shift", "shift")


def fractions(at: Place) -> Rule:
    """Where the stage above ends, this one starts: `denoising_end` is `denoising_start`."""
    above, family = at.above, at.facts.family
    if family is None or not family.fraction or not isinstance(above, PipelineStage):
        return
    if at.stage.inputs["low"].hand == "noisy":
        return
    end, start = above.call.get("denoising_end"), at.stage.call.get("denoising_start")
    if end is None and start is None:
        return
    fix = "Give both the same share, or say it once: `hand: noisy` with `hand_std`."
    given, wanted = (f"ends at {end or 1.0:g}", f"starts at {start or 0.0:g}")
    yield at.says("share of the walk", given, wanted, fix, key=LOW, fits=end == start)


def partners(at: Place) -> Rule:
    """An unfinished state is taken up only by a pipeline that can begin in the middle."""
    family, edge = at.facts.family, at.stage.inputs.get("low")
    if family is None or edge is None or edge.hand != "noisy":
        return
    can = family.fraction or family.latents == "latents"
    fix = "Hand over clean, or read it with a pipeline of the same family."
    given = "an unfinished state"
    yield at.says("hand-over", given, given if can else "a finished signal", fix, key=f"{LOW}.hand")
    low = at.low
    if low is not None and can:
        fix = "Let the stage above answer in latents (`out.space`)."
        yield at.says("space of the state", "pixels" if low.space == PIXELS else "latents", "latents", fix, key=LOW)


def schedules(at: Place) -> Rule:
    """Both halves walk down one schedule, in as many steps."""
    above = at.above
    theirs = at.all_facts.get(above.name) if above is not None else None
    if not _shared(at) or not isinstance(above, PipelineStage) or theirs is None:
        return
    for key in SCHEDULE:
        given, wanted = theirs.get("scheduler", key), at.facts.get("scheduler", key)
        if given is not None or wanted is not None:
            fix = f"Set `scheduler.{key}` alike on both stages."
            yield at.says(key, given, wanted, fix, key=LOW)
    steps = above.call.get("num_inference_steps"), at.stage.call.get("num_inference_steps")
    if steps != (None, None):
        fix = "Give both the same `num_inference_steps`: each counts the whole walk."
        yield at.says("steps of the whole walk", *steps, fix, key=LOW)


def _shared(at: Place) -> bool:
    low = at.stage.inputs.get("low")
    return low is not None and (low.hand == "noisy" or "denoising_start" in at.stage.call)


def boundary(at: Place) -> Rule:
    """Experts are parted at the boundary they were trained for, and both are there."""
    edge, family = at.stage.inputs.get("low"), at.facts.family
    if family is None or not family.experts or edge is None or edge.hand != "noisy" or edge.hand_std is None:
        return
    ratio = at.facts.index.get("boundary_ratio")
    wants = None if ratio is None else ratio / (1 - ratio)
    fits = wants is None or abs(edge.hand_std - wants) <= 1e-3 * wants
    said = None if wants is None else f"std {wants:.4g} (boundary_ratio {ratio:g})"
    fix = f"Set `hand_std: {wants:.4g}`." if wants is not None else ""
    yield at.says("boundary", f"std {edge.hand_std:g}", said, fix, key=f"{LOW}.hand_std", fits=fits)
    has = "two experts" if "transformer_2" in at.facts.parts else "one network"
    yield at.says("experts", has, "two experts", "Load a release with two, or run it as one stage.", key="load")


def predictions(at: Place) -> Rule:
    """Both halves of one walk read their networks' answers alike, or convert: named where a scheduler would not."""
    above = at.all_facts.get(at.above.name) if at.above is not None else None
    if above is None or not _shared(at):
        return
    given, wanted = _kind(above), _kind(at.facts)
    fix = "Hand over clean: a flow and a diffusion do not share their levels' form."
    yield at.says("kind of walk", given, wanted, fix, key=LOW)


def _kind(facts: Facts) -> str | None:
    name = facts.get("scheduler", "_class_name")
    if name is None:
        return None
    flows = str(name).startswith("FlowMatch") or bool(facts.get("scheduler", "use_flow_sigmas"))
    return "flow" if flows else "diffusion"


RULES = (fractions, partners, schedules, boundary, predictions)
