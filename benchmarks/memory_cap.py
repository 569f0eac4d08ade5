"""What a memory cap costs: one stage at a time against all resident, and against offloading, by prompt and by batch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import if_shaped
import on_device
import timing
import torch

from dynaxx import Cascade
from dynaxx.engine.move import weights_bytes
from dynaxx.engine.runtime import Runtime
from dynaxx.spec.files import parse

Case = Callable[[], Any]


def ours(
    root: Path, size: int, steps: int, prompts: list[str], device: str, placement: Any, cap_bytes: int | None = None
) -> tuple[Cascade, Case]:
    """Our cascade in one placement, and one run of it."""
    runtime = Runtime(device=device, placement=placement, batch_size=len(prompts), memory_cap=cap_bytes)
    dtype = "bfloat16" if device == "cuda" else "float32"
    live = Cascade.from_spec(parse(if_shaped.spec(size, steps, dtype)), root=root, runtime=runtime)
    return live, lambda: live.sample(prompts)


def peak_bytes(run: Case, device: str) -> int | None:
    """What a GPU gives out at most while one stage after another is on it, beside what lies there already."""
    if device != "cuda":
        return None
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    run()
    return torch.cuda.max_memory_reserved()


def documented(root: Path, size: int, steps: int, prompts: list[str], device: str, batch: int) -> Case:
    """The loop of the documentation: `batch` prompts after another through all pipelines, each offloaded as a whole.

    Without an accelerator there is nothing to offload from; there each pipeline is opened anew for each batch, as
    people do who have not the memory to hold three.
    """
    import diffusers

    dtype = torch.bfloat16 if device == "cuda" else torch.float32

    def opened(name: str) -> Any:
        pipe = diffusers.DiffusionPipeline.from_pretrained(root / name, torch_dtype=dtype)
        pipe.set_progress_bar_config(disable=True)
        if device == "cuda":
            pipe.enable_model_cpu_offload()
        return pipe

    pipes = {name: opened(name) for name in if_shaped.NAMES} if device == "cuda" else {}

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


def peak_share(live: Cascade, run: Case, device: str) -> timing.Result | None:
    """The peak of one run over the largest stage's weights, where an allocator counts it."""
    if device != "cuda":
        return None
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run()
    largest = max(size or 0 for size in weights_bytes(live.stages).values())
    share = (torch.cuda.max_memory_allocated() - before) / largest
    return timing.Result("peak_vs_largest_stage", share, "1", share, share, 1, target=1.1)


def measure(root: Path, device: str, quick: bool) -> list[timing.Result]:
    """All in turn; on a GPU ours under a cap at the peak that its largest stage has alone."""
    size, steps, count, repeats = (64, 20, 16, 5) if device == "cuda" else (8, 2, 2, 3) if quick else (8, 20, 16, 3)
    prompts = ["a red apple", "a green pear"] * (count // 2)
    if_shaped.saved(root, "gpu" if device == "cuda" else "cpu")
    given = (root, size, steps, prompts, device)
    peers = {"together": ours(*given, "resident")[1], "loop": documented(*given, 1), "batch": documented(*given, count)}
    for case in peers.values() if device == "cuda" else ():
        case()  # what they leave on the device is there when the cap is found, and is no part of ours
    cap = peak_bytes(ours(*given, "one-at-a-time")[1], device)
    live, apart = ours(*given, "one-at-a-time", cap)
    times = timing.alternate({"apart": apart, **peers}, repeats)
    gpu = device == "cuda"
    peak = peak_share(live, apart, device)
    return [
        timing.ratio("time_vs_resident", times["apart"], times["together"], target=1.1 if gpu else None),
        timing.ratio("speed_vs_offload_loop", times["loop"], times["apart"], target=1.3 if gpu else None),
        timing.ratio("speed_vs_offload_batch", times["batch"], times["apart"], target=1.0 if gpu else None),
        *([peak] if peak else []),
    ]


if __name__ == "__main__":
    on_device.main("memory_cap", __doc__, measure)
