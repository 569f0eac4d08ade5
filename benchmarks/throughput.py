"""Our throughput over diffusers' own on one cascade at equal steps: prompts in one batch, and each lever alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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


def diffusers_loop(root: Path, size: int, steps: int, prompts: list[str], device: str, batch: int) -> Callable[[], Any]:
    """The same pipelines by hand, all resident, `batch` prompts a call."""
    import diffusers

    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    pipes = [
        diffusers.DiffusionPipeline.from_pretrained(root / name, torch_dtype=dtype).to(device)
        for name in if_shaped.NAMES
    ]
    for pipe in pipes:
        pipe.set_progress_bar_config(disable=True)

    def run() -> None:
        for start in range(0, len(prompts), batch):
            asked, x = prompts[start : start + batch], None
            for number, pipe in enumerate(pipes):
                given, side = {} if x is None else {"image": x}, size * 2**number
                x = pipe(
                    asked, height=side, width=side, num_inference_steps=steps, output_type="pt", **given
                ).images  # fmt: skip

    return run


def ours(
    root: Path, size: int, steps: int, prompts: list[str], device: str, levers: tuple[str, ...], dtype: str,
    settings: Mapping[str, Any] | None = None,
) -> Callable[[], Any]:  # fmt: skip
    """Our cascade, all resident, all prompts in a batch, with those of the levers that turn out to be faster."""
    runtime = Runtime(device=device, batch_size=len(prompts), levers=levers)
    live = Cascade.from_spec(parse(if_shaped.spec(size, steps, dtype)), root=root, runtime=runtime)
    live = live.with_settings(settings or {})
    return lambda: live.sample(prompts)


def measure(root: Path, device: str, quick: bool) -> list[timing.Result]:
    """Ours, diffusers' at the same batch, and diffusers' prompt by prompt, in turn; then every lever beside none."""
    gpu = device == "cuda"
    size, steps, count, repeats = (64, 20, 16, 5) if gpu else (8, 2, 2, 3 if quick else 7)
    prompts, dtype = ["a red apple", "a green pear"] * (count // 2), "bfloat16" if gpu else "float32"
    if_shaped.saved(root, "gpu" if gpu else "cpu")
    names = [name for name, lever in LEVERS.items() if device in lever.on and (gpu or not lever.compiles)]
    alike = tuple(name for name in names if LEVERS[name].group != "precision")  # diffusers' is of the same precision
    times = timing.alternate(
        {
            "ours": ours(root, size, steps, prompts, device, alike, dtype),
            "diffusers": diffusers_loop(root, size, steps, prompts, device, count),
            "by prompt": diffusers_loop(root, size, steps, prompts, device, 1),
        },
        repeats,
    )
    return [
        timing.ratio("speed_vs_diffusers", times["diffusers"], times["ours"], target=1.5 if gpu else None),
        timing.ratio("lever_batch", times["by prompt"], times["diffusers"]),
        timing.ratio("speed_vs_prompt_loop", times["by prompt"], times["ours"]),
        guided_within(root, size, steps, prompts, device, dtype, repeats),
        *(
            by_itself(root, size, steps, prompts, device, name, dtype, repeats)
            for name in (names[:2] if quick else names)
        ),
    ]


def guided_within(
    root: Path, size: int, steps: int, prompts: list[str], device: str, dtype: str, repeats: int
) -> timing.Result:
    """Guidance at the levels in INTERVAL beside guidance at all; it changes samples, so that it is no lever."""
    told = {f"{name}.guidance_interval": INTERVAL for name in if_shaped.NAMES}
    cases = {
        name: ours(root, size, steps, prompts, device, (), dtype, settings)
        for name, settings in (("within", told), ("everywhere", None))
    }
    times = timing.alternate(cases, repeats)
    return timing.ratio("guidance_interval", times["everywhere"], times["within"])


def by_itself(
    root: Path, size: int, steps: int, prompts: list[str], device: str, name: str, dtype: str, repeats: int
) -> timing.Result:
    """One lever beside none, both held no longer than they are timed; half precision is tried on float32."""
    dtype = "float32" if LEVERS[name].group == "precision" else dtype
    cases = {one: ours(root, size, steps, prompts, device, (one,) if one else (), dtype) for one in (name, "")}
    times = timing.alternate(cases, repeats)
    return timing.ratio(f"lever_{name}", times[""], times[name])


if __name__ == "__main__":
    on_device.main("throughput", __doc__, measure)
