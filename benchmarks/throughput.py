"""Our throughput over diffusers' own on one cascade at equal steps: prompts in one batch, and each lever alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import if_shaped
import on_device
import timing
import torch

from dynaxx import Cascade
from dynaxx.engine.runtime import Runtime
from dynaxx.spec.files import parse
from dynaxx.stage.levers.table import LEVERS

INTERVAL = [0.3, 3.0]
"""In std: half of a walk's steps."""
FEW = 4
"""Steps that tell what a lever does."""


@dataclass(frozen=True)
class Walk:
    """What a cascade is asked for, from a base of `size`, and how often."""

    prompts: list[str]
    size: int
    steps: int
    repeats: int


def diffusers_loop(root: Path, walk: Walk, device: str, batch: int) -> Callable[[], Any]:
    """The same pipelines by hand, all resident, `batch` prompts a call."""
    import diffusers

    dtype = torch.bfloat16 if on_device.is_gpu(device) else torch.float32
    pipes = [
        diffusers.DiffusionPipeline.from_pretrained(root / name, torch_dtype=dtype).to(device)
        for name in if_shaped.NAMES
    ]
    for pipe in pipes:
        pipe.set_progress_bar_config(disable=True)

    def run() -> None:
        for start in range(0, len(walk.prompts), batch):
            asked, x = walk.prompts[start : start + batch], None
            for number, pipe in enumerate(pipes):
                given, side = {} if x is None else {"image": x}, walk.size * 2**number
                x = pipe(
                    asked, height=side, width=side, num_inference_steps=walk.steps, output_type="pt", **given
                ).images  # fmt: skip

    return run


def ours(
    root: Path, walk: Walk, device: str, levers: tuple[str, ...], dtype: str, settings: Mapping[str, Any] | None = None
) -> Cascade:
    """Our cascade, all resident, with those of the levers that turn out to be faster."""
    runtime = Runtime(device=device, batch_size=len(walk.prompts), levers=levers)
    live = Cascade.from_spec(parse(if_shaped.spec(walk.size, walk.steps, dtype)), root=root, runtime=runtime)
    return live.with_settings(settings or {})


def walk_on(device: str, quick: bool) -> Walk:
    """What all cases are asked for."""
    gpu = on_device.is_gpu(device)
    count = 16 if gpu else 2
    size, steps, repeats = (64, 2 if quick else 20, 3) if gpu else (8, 2, 3 if quick else 7)
    return Walk(["a red apple", "a green pear"] * (count // 2), size, steps, repeats)


def measure(root: Path, device: str, quick: bool) -> list[timing.Result]:
    """Everything; on a GPU that takes more than ten minutes, compiling for most of them, and has two parts."""
    return [*whole(root, device, quick), *levers(root, device, quick)]


def whole(root: Path, device: str, quick: bool) -> list[timing.Result]:
    """Ours, diffusers' at the same batch, and its prompt by prompt, in turn."""
    gpu, walk = on_device.is_gpu(device), walk_on(device, quick)
    dtype, count = "bfloat16" if gpu else "float32", len(walk.prompts)
    if_shaped.saved(root, "gpu" if gpu else "cpu")
    alike = tuple(name for name in known(device) if LEVERS[name].group != "precision")  # diffusers' is of the same
    live = ours(root, walk, device, alike, dtype)
    times = timing.alternate(
        {
            "ours": lambda: live.sample(walk.prompts),
            "diffusers": diffusers_loop(root, walk, device, count),
            "by prompt": diffusers_loop(root, walk, device, 1),
        },
        walk.repeats,
    )
    return [
        timing.ratio("speed_vs_diffusers", times["diffusers"], times["ours"], target=1.5 if gpu else None),
        timing.ratio("lever_batch", times["by prompt"], times["diffusers"]),
        timing.ratio("speed_vs_prompt_loop", times["by prompt"], times["ours"]),
    ]


def levers(root: Path, device: str, quick: bool) -> list[timing.Result]:
    """Guidance within an interval, and every lever, beside none."""
    gpu, walk = on_device.is_gpu(device), walk_on(device, quick)
    if_shaped.saved(root, "gpu" if gpu else "cpu")
    names = known(device)[:2] if quick else known(device)
    return [guided_within(root, walk, device), *(by_itself(root, walk, device, name) for name in names)]


def known(device: str) -> list[str]:
    """The levers that a device has; on a CPU without those that are slow to start."""
    kind = torch.device(device).type
    there = {name: lever for name, lever in LEVERS.items() if not lever.on or kind in lever.on}
    return [name for name, lever in there.items() if kind != "cpu" or not lever.slow_start]


def guided_within(root: Path, walk: Walk, device: str) -> timing.Result:
    """Guidance at the levels in INTERVAL beside guidance at all; it changes samples, so that it is no lever."""
    dtype = "bfloat16" if on_device.is_gpu(device) else "float32"
    told = {f"{name}.guidance_interval": INTERVAL for name in if_shaped.NAMES}
    within, everywhere = (ours(root, walk, device, (), dtype, settings) for settings in (told, None))
    times = timing.alternate(
        {"within": lambda: within.sample(walk.prompts), "everywhere": lambda: everywhere.sample(walk.prompts)},
        walk.repeats,
    )
    return timing.ratio("guidance_interval", times["everywhere"], times["within"])


def by_itself(root: Path, walk: Walk, device: str, name: str) -> timing.Result:
    """One lever beside none on the last stage, which works most, both held no longer than they are timed.

    Half precision is tried on float32. On a GPU a few steps are enough: every one of them asks the network once.
    """
    gpu = on_device.is_gpu(device)
    on_device.let_go(device)
    few = replace(walk, steps=min(walk.steps, FEW))
    dtype = "bfloat16" if gpu and LEVERS[name].group != "precision" else "float32"
    pulled, plain = (ours(root, few, device, levers, dtype) for levers in ((name,), ()))
    low, last = if_shaped.NAMES[-2:]
    side = walk.size * 2 ** if_shaped.NAMES.index(low)
    given = {low: torch.linspace(-1, 1, 3 * side**2).view(1, 3, side, side).expand(len(walk.prompts), -1, -1, -1)}
    times = timing.alternate(
        {
            "pulled": lambda: pulled.sample(walk.prompts, given=given, until=last),
            "plain": lambda: plain.sample(walk.prompts, given=given, until=last),
        },
        walk.repeats,
    )
    return timing.ratio(f"lever_{name}", times["plain"], times["pulled"])


if __name__ == "__main__":
    on_device.main("throughput", __doc__, measure, {"whole": whole, "levers": levers})
