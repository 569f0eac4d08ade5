"""The designer's questions about a cascade, each with a verdict and a reason, read from the file alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, final

from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.stage import TRAINABLE, DenoisingStage, PipelineStage, StageSpec
from dynaxx.spec.summary import describe, stated_steps

Verdict = Literal["pass", "warn", "fail"]
SMALL_SITES = 64 * 64
"""A signal of so many sites is within one network's reach: a cascade has to show what it gains."""
SHORT = 0.75
"""A refine stage of at most this share of the base's steps is short."""


@final
@dataclass(frozen=True)
class Answered:
    """One question, what was found, and why that is good or not."""

    question: str
    verdict: Verdict
    reason: str


def checklist(
    spec: CascadeSpec, *, size: tuple[int, ...] | None = None, peak_gib: float | None = None
) -> list[Answered]:
    """All questions, in the order in which a designer asks them; `peak_gib` is what the plan says of a sample."""
    found = [question(spec) for question in QUESTIONS]
    found.insert(1, _one_stage(spec, size))
    found.insert(2, _affordable(spec, peak_gib))
    return found


def _stated(spec: CascadeSpec) -> Answered:
    question, budget = "Are latency and memory stated?", spec.budget
    missing = [name for name in ("latency_s", "memory_gib") if budget is None or getattr(budget, name) is None]
    if missing:
        return Answered(question, "warn", f"Set budget.{' and budget.'.join(missing)}: steps and sizes follow.")
    assert budget is not None
    return Answered(question, "pass", f"{budget.latency_s:g} s a sample in {budget.memory_gib:g} GiB.")


def _one_stage(spec: CascadeSpec, size: tuple[int, ...] | None) -> Answered:
    question, last = "Would one stage do?", describe(spec, size=size).nodes[-1].grid_out
    if len(spec.stages) == 1:
        return Answered(question, "pass", "It is one.")
    sites = 1
    for part in last.split(" ")[0].split("x")[1:]:
        sites *= int(part) if part.isdigit() else 0
    if 0 < sites <= SMALL_SITES:
        why = f"{last} is within one network's reach: hold the cascade against a single stage of the same budget."
        return Answered(question, "warn", why)
    return Answered(question, "pass", f"{last} costs one network much more than it costs {len(spec.stages)} stages.")


def _affordable(spec: CascadeSpec, peak_gib: float | None) -> Answered:
    question = "Does it run inside its budget?"
    most = spec.budget.memory_gib if spec.budget else None
    if most is None:
        return Answered(question, "warn", "Not known: state budget.memory_gib; see dynaxx plan for time and training.")
    if peak_gib is None:
        return Answered(question, "warn", f"Of {most:g} GiB: not every stage can be planned; dynaxx plan says why.")
    verdict: Verdict = "pass" if peak_gib <= most else "fail"
    return Answered(question, verdict, f"A sample takes {peak_gib:.3g} GiB of {most:g}.")


def _errors_told(spec: CascadeSpec) -> Answered:
    question = "Is error propagation provided for?"
    trained = [stage for stage in spec.stages if isinstance(stage, TRAINABLE) and stage.inputs]
    bare = [stage.name for stage in trained if not any(_prepared(stage))]
    if bare:
        why = (
            f"{', '.join(bare)}: learns from clean inputs and will be given faulty ones. Set inputs.low.noise.train_std"
        )
        return Answered(question, "fail", f"{why} (arXiv 2106.15282), or train.generated.")
    many = f"{len(trained)} stages learn from noisy, blurred or generated inputs."
    return Answered(question, "pass", many if trained else "No stage is trained on another's output.")


def _prepared(stage: StageSpec) -> Iterator[bool]:
    """What prepares a stage for faulty inputs."""
    for edge in stage.inputs.values():
        yield edge.noise is not None and edge.noise.train_std is not None
        yield edge.blur is not None and edge.blur.train_std is not None
    train = getattr(stage, "train", None)
    yield train is not None and train.generated > 0


def _origin(spec: CascadeSpec) -> Answered:
    question = "Pretrained, or from scratch?"
    ready = [stage.name for stage in spec.stages if isinstance(stage, PipelineStage) or stage.weights]
    scratch = [stage.name for stage in spec.stages if isinstance(stage, TRAINABLE) and not stage.weights]
    said = "; ".join(f"{name}: {', '.join(who)}" for name, who in (("pretrained", ready), ("ours", scratch)) if who)
    if scratch and spec.data is None:
        return Answered(question, "warn", f"{said}. Nothing says what they learn from: set data, or give --data.")
    return Answered(question, "pass", said or "Exact stages: nothing is trained.")


def _validated(spec: CascadeSpec) -> Answered:
    question, held = "How will it be validated?", getattr(spec.data, "withheld", 0.0)
    if any(isinstance(stage, TRAINABLE) for stage in spec.stages) and not held:
        return Answered(question, "warn", "No data is kept out (data.withheld): memory will look like skill.")
    return Answered(question, "pass", f"{held:.0%} of the data is kept out." if held else "Nothing is trained.")


def _shared(spec: CascadeSpec) -> Answered:
    question, spaces = "Do all stages share a space and a condition?", {stage.out.space for stage in spec.stages}
    apart = [stage.name for stage in spec.stages if isinstance(stage, PipelineStage)]
    if len(spaces) > 1:
        return Answered(question, "warn", f"They answer in {', '.join(sorted(spaces))}: each change costs detail.")
    if apart and len(apart) < len(spec.stages):
        return Answered(question, "warn", f"{', '.join(apart)} encode prompts in their own way.")
    return Answered(question, "pass", f"All in {spaces.pop()}, encoded once.")


def _short(spec: CascadeSpec) -> Answered:
    question = "Is the refine stage short enough?"
    walks = [stage for stage in spec.stages if isinstance(stage, DenoisingStage | PipelineStage)]
    if len(walks) < 2 or len(spec.stages) < 2:
        return Answered(question, "pass", "There is none with steps of its own.")
    first, last = _walked(spec, walks[0]), _walked(spec, walks[-1])
    if first is None or last is None:
        names = ", ".join(stage.name for stage, steps in ((walks[0], first), (walks[-1], last)) if steps is None)
        return Answered(question, "warn", f"Not known: the file does not say how many steps {names} will walk.")
    verdict: Verdict = "pass" if last <= SHORT * first else "warn"
    return Answered(question, verdict, f"{last} steps after {first}: on the largest grid each costs most.")


def _walked(spec: CascadeSpec, stage: StageSpec) -> int | None:
    """The steps that a stage walks of those that are stated; None where a level decides, which only a table tells."""
    steps = stated_steps(stage)
    if steps is None or not isinstance(stage, PipelineStage):
        return steps
    low = stage.inputs.get("low")
    begun = low is not None and (low.hand_std is not None or (low.via == "start" and low.noise is not None))
    edges = [edge for other in spec.stages for edge in other.inputs.values()]
    if begun or any(edge.hand_std is not None and stage.name in edge.parents for edge in edges):
        return None
    shares = {"strength": 1.0, "denoise_strength": 1.0, "denoising_start": 0.0, "denoising_end": 1.0}
    said = {name: stage.call.get(name, default) for name, default in shares.items()}
    known = {name: float(value) for name, value in said.items() if isinstance(value, int | float)}
    if len(known) < len(said):
        return None
    share = known["strength"] * known["denoise_strength"] * (known["denoising_end"] - known["denoising_start"])
    return round(steps * share)


QUESTIONS: tuple[Callable[[CascadeSpec], Answered], ...] = (
    _stated, _errors_told, _origin, _validated, _shared, _short,
)  # fmt: skip
