"""The demo: a bundled cascade draws a dozen prompts, and a page shows every stage of it."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import dynaxx
from dynaxx.engine.cascade import Cascade
from dynaxx.engine.samples import Samples
from dynaxx.engine.trace import NodeRecord
from dynaxx.noise.solve.step import Step
from dynaxx.share.files import Written, write_samples
from dynaxx.share.output_folder import check_writable
from dynaxx.share.page import DemoPage, Film, Picture, PromptRow, StageCard, StageShot, render
from dynaxx.share.png import to_pixels
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.stage import DenoisingStage, StageSpec
from dynaxx.store.atomic import write_text

CASCADE = "emoji-64"
PROMPTS = (
    "red apple", "pizza", "rocket", "cat face", "rainbow", "sunflower",
    "octopus", "castle", "guitar", "butterfly", "hamburger", "crescent moon",
)  # fmt: skip
FRAMES = 8
ROLES = {
    "base": "Starts at pure noise and settles what the picture is.",
    "bridge": "Sees the answer before it, with noise on it, and resolves its shape.",
    "refine": "Starts at its input with a little noise and adds the last detail.",
}


@dataclass(frozen=True)
class Demo:
    """The page that was written, the files beside it, and how long it all took."""

    page: Path
    written: Written
    latency_s: float

    def to_json(self) -> dict[str, Any]:
        """The record as plain data."""
        return {"page": str(self.page), "latency_s": self.latency_s, **self.written.to_json()}


def make_demo(
    folder: Path,
    *,
    cascade: str = CASCADE,
    seed: int = 0,
    prompts: Sequence[str] = PROMPTS,
    report: str | None = None,
    on_step: Callable[[str, Step], None] | None = None,
) -> Demo:
    """Draw the prompts from a cascade that takes text, write pictures and `index.html` to `folder`.

    `report` is where a report of the lens lies or will lie, as the page links to it.
    """
    began = time.perf_counter()
    check_writable(folder)
    live = Cascade.from_pretrained(cascade)
    reel = Reel()

    def watch(node: str, step: Step) -> None:
        reel(node, step)
        if on_step:
            on_step(node, step)

    samples = live.sample(list(prompts), seed=seed, keep=True, on_step=watch)
    written = write_samples(samples, folder)
    page = folder / "index.html"
    took = time.perf_counter() - began
    write_text(page, render(describe(cascade, live.spec, samples, reel, latency_s=took, report=report)))
    return Demo(page, written, time.perf_counter() - began)


class Reel:
    """Keeps about FRAMES states x_t of every node's walk, in batches as they come."""

    def __init__(self) -> None:
        self.frames: dict[str, dict[int, list[Tensor]]] = defaultdict(lambda: defaultdict(list))

    def __call__(self, node: str, step: Step) -> None:
        """Keep the step where it is one of those to show."""
        if step.index % max(1, step.count // FRAMES) == 0:
            self.frames[node][step.index].append(step.x_t.detach().cpu())

    def film(self, node: str, index: int, last: Tensor) -> list[Tensor]:
        """The states of sample `index` on its way through `node`, and its answer."""
        return [torch.cat(parts)[index] for _, parts in sorted(self.frames[node].items())] + [last]


def describe(
    name: str, spec: CascadeSpec, samples: Samples, reel: Reel, *, latency_s: float, report: str | None = None
) -> DemoPage:
    """The demo page of a run that kept every stage, of the cascade that is found by `name`."""
    trace = samples.trace
    stages = {stage.name: stage for stage in spec.stages}
    facts = {
        "run_id": trace.run_id,
        "seed": str(trace.seed),
        "device": trace.device,
        "time": f"{latency_s:.1f} s for {len(samples)} pictures, loading included",
        "version": f"dynaxx {dynaxx.__version__}, torch {torch.__version__}",
    }
    script = (
        f"from dynaxx import Cascade\n\ncascade = Cascade.from_pretrained({name!r})\n"
        f"samples = cascade.sample({list(samples.prompts)[:2]!r}, seed={trace.seed}, keep=True)"
    )
    return DemoPage(
        title="A diffusion cascade at work",
        lead="Asked for by name, each picture passes these stages, from the coarse grid that settles what it is to "
        "the last detail. Drag a slider to watch the noise leave.",
        stages=tuple(_card(record, stages[record.stage]) for record in trace.nodes),
        rows=tuple(_row(samples, reel, index) for index in range(len(samples))),
        note=spec.description,
        command=f"dynaxx demo --cascade {name} --seed {trace.seed}",
        script=script,
        facts=tuple(facts.items()),
        report=report,
    )


def _card(record: NodeRecord, stage: StageSpec) -> StageCard:
    walk = stage if isinstance(stage, DenoisingStage) else None
    return StageCard(
        name=record.name,
        role=stage.role,
        grid=record.grid.partition("x")[2].replace("x", " \u00d7 "),
        process=walk.process.kind if walk else stage.kind,
        solver=walk.solver.kind if walk else "one evaluation",
        steps=record.steps or 1,
        latency_s=record.latency_per_sample_s,
        std=record.std.get("low"),
        says=ROLES[stage.role],
    )


def _row(samples: Samples, reel: Reel, index: int) -> PromptRow:
    prompt = samples.prompts[index]
    shots = tuple(_shot(samples, record, reel, index) for record in samples.trace.nodes)
    return PromptRow(prompt, samples.trace.seed, samples.trace.ids[index], shots)


def _shot(samples: Samples, record: NodeRecord, reel: Reel, index: int) -> StageShot:
    prompt, answer = samples.prompts[index], samples.stages[record.name][index]
    low = samples.inputs.get(record.name, {}).get("low")
    film = [to_pixels(x) for x in reel.film(record.name, index, answer)]
    saw = None if low is None else Picture.of(to_pixels(low[index]), f"{prompt}: the noisy input of {record.name}")
    return StageShot(
        stage=record.name,
        picture=Picture.of(to_pixels(answer), f"{prompt}: the answer of {record.name}"),
        latency_s=record.latency_per_sample_s,
        std=record.std.get("low"),
        saw=saw,
        film=Film.of(film, f"{prompt}: {record.name}, from noise to its answer"),
    )
