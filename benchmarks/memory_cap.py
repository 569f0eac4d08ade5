"""What a memory cap costs: one stage at a time against all resident, and against offloading, by prompt and by batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import if_shaped
import on_device
import timing
import torch

from dynaxx import Cascade
from dynaxx.engine.runtime import Runtime
from dynaxx.engine.samples import Samples
from dynaxx.engine.trace import GIB
from dynaxx.spec.files import parse

Case = Callable[[], Any]
GRAIN = 20 * 2**20
"""What CUDA's allocator takes of a device at once for tensors of a few megabytes: so much may lie elsewhere in it."""


class Peaks(NamedTuple):
    """Bytes that an allocator took from its device, and those of them that lay in tensors."""

    reserved: int
    held: int


def ours(root: Path, size: int, steps: int, prompts: list[str], device: str, placement: Any) -> Cascade:
    """Our cascade in one placement."""
    runtime = Runtime(device=device, placement=placement, batch_size=len(prompts))
    dtype = "bfloat16" if on_device.is_gpu(device) else "float32"
    return Cascade.from_spec(parse(if_shaped.spec(size, steps, dtype)), root=root, runtime=runtime)


def capped(live: Cascade, cap_bytes: int) -> Cascade:
    """The same stages under a cap."""
    runtime = replace(live.runtime, memory_cap=cap_bytes)
    return Cascade(live.spec, live.stages, codecs=live.codecs, root=live.root, runtime=runtime)


def largest_peaks(live: Cascade, prompts: list[str], device: str) -> Peaks:
    """What a GPU gives out, and what lies in it, at most for one of the stages with the others nowhere: the largest's.

    What lay there before counts in the first, which is held against a cap, and not in the second.
    """
    found, given, counts = Peaks(0, 0), dict[str, Any](), torch.get_device_module(device)
    for name in if_shaped.NAMES:
        on_device.let_go(device)
        before = counts.memory_allocated(device)
        samples = live.sample(prompts, given=given, until=name)
        given = {name: samples.x}
        found = Peaks(
            max(found.reserved, counts.max_memory_reserved(device)), max(found.held, peak_of(samples, before))
        )
    return found


def peak_of(samples: Samples, before: int) -> int:
    """The bytes that lay in a GPU at most while a stage of a run worked, beyond those that did before.

    A run counts every stage's peak anew, so that the allocator's own is the last one's.
    """
    return int(max(node.peak_gib for node in samples.trace.nodes) * GIB) - before


def documented(root: Path, size: int, steps: int, prompts: list[str], device: str, batch: int) -> Case:
    """The loop of the documentation: `batch` prompts after another through all pipelines, each offloaded as a whole.

    Without an accelerator there is nothing to offload from; there each pipeline is opened anew for each batch, as
    people do who have not the memory to hold three.
    """
    import diffusers

    dtype = torch.bfloat16 if on_device.is_gpu(device) else torch.float32

    def opened(name: str) -> Any:
        pipe = diffusers.DiffusionPipeline.from_pretrained(root / name, torch_dtype=dtype)
        pipe.set_progress_bar_config(disable=True)
        if on_device.is_gpu(device):
            pipe.enable_model_cpu_offload(device=device)
        return pipe

    pipes = {name: opened(name) for name in if_shaped.NAMES} if on_device.is_gpu(device) else {}

    def run() -> None:
        for first in range(0, len(prompts), batch):
            asked, x = prompts[first : first + batch], None
            for number, name in enumerate(if_shaped.NAMES):
                pipe, side = pipes.get(name) or opened(name), size * 2**number
                given = {} if x is None else {"image": x}
                x = pipe(
                    asked, height=side, width=side, num_inference_steps=steps, output_type="pt", **given
                ).images  # fmt: skip

    return run


def under_cap(live: Cascade, prompts: list[str], device: str, largest: Peaks) -> list[timing.Result]:
    """The peak of one run over the largest stage's own, and the samples that passed a stage at once at least."""
    on_device.let_go(device)
    before = torch.get_device_module(device).memory_allocated(device)
    samples = live.sample(prompts)
    share, batch = peak_of(samples, before) / largest.held, min(node.batch_size for node in samples.trace.nodes)
    return [
        timing.Result("peak_vs_largest_stage", share, "1", share, share, 1, target=1.1),
        timing.Result("batch_under_cap", batch, "1", batch, batch, 1, peer=len(prompts)),
    ]


def measure(root: Path, device: str, quick: bool) -> list[timing.Result]:
    """All in turn; on a GPU ours under a cap at the peak that its largest stage has alone."""
    gpu = on_device.is_gpu(device)
    size, count = (64, 16) if gpu else (8, 2 if quick else 16)
    steps, repeats = 2 if quick else 20, 3
    prompts = ["a red apple", "a green pear"] * (count // 2)
    if_shaped.saved(root, "gpu" if gpu else "cpu")
    given = (root, size, steps, prompts, device)
    resident, live = ours(*given, "resident"), ours(*given, "one-at-a-time")
    if gpu:
        resident.sample(prompts)  # it stays on the device, is there when the cap is found, and is no part of ours
    largest = largest_peaks(live, prompts, device) if gpu else None
    live = capped(live, largest.reserved + GRAIN) if largest else live
    cases: dict[str, Case] = {
        "apart": lambda: live.sample(prompts), "together": lambda: resident.sample(prompts),
        "loop": documented(*given, 1), "batch": documented(*given, count),
    }  # fmt: skip
    times = timing.alternate(cases, repeats)
    return [
        timing.ratio("time_vs_resident", times["apart"], times["together"], target=1.1 if gpu else None),
        timing.ratio("speed_vs_offload_loop", times["loop"], times["apart"], target=1.3 if gpu else None),
        timing.ratio("speed_vs_offload_batch", times["batch"], times["apart"], target=1.0 if gpu else None),
        *(under_cap(live, prompts, device, largest) if largest else []),
    ]


if __name__ == "__main__":
    on_device.main("memory_cap", __doc__, measure)
