"""What keeping a transformer's answers from step to step brings and costs: speed and error, by threshold.

The network is LTX-Video's kind with random weights; a trained one changes less from step to step, so that the same
threshold keeps more of its answers. The error is the root mean square of the change of the latents, over their own.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import on_device
import timing
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "stage"))
THRESHOLDS = (0.02, 0.05, 0.1, 0.2)


def saved(root: Path, blocks: int) -> None:
    """A pipeline of LTX-Video's kind, small but deep."""
    import diffusers
    import tiny_pipelines as tiny

    torch.manual_seed(0)
    network = diffusers.LTXVideoTransformer3DModel(
        in_channels=8, out_channels=8, patch_size=1, patch_size_t=1, num_attention_heads=4, attention_head_dim=16,
        cross_attention_dim=64, num_layers=blocks, caption_channels=tiny.WIDTH,
    )  # fmt: skip
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler()
    diffusers.LTXPipeline(scheduler, tiny.ltx_vae(), tiny.t5(), tiny.tokenizer(), network).save_pretrained(root / "ltx")


def cascade(root: Path, steps: int, threshold: float | None, device: str) -> Any:
    """The one stage, answering with latents."""
    from dynaxx import Cascade
    from dynaxx.engine.runtime import Runtime
    from dynaxx.spec.files import parse

    stage: dict[str, Any] = {
        "name": "base", "role": "base", "kind": "pipeline", "load": "ltx", "call": {"num_inference_steps": steps},
        "out": {"channels": 8, "size": [2, 16, 16], "space": "ltx"},
    }  # fmt: skip
    stage |= {"cache": {"threshold": threshold}} if threshold else {}
    codecs = {"ltx": {"load": "ltx/vae", "channels": 8}}
    spec = parse({"name": "x", "condition": {"text": {}}, "codecs": codecs, "stages": [stage]})
    return Cascade.from_spec(spec, root=root, runtime=Runtime(device=device))


def measure(root: Path, device: str, quick: bool) -> list[timing.Result]:
    """Speed over the same walk without, and what it changed, for every threshold."""
    steps, repeats, thresholds = (8, 3, THRESHOLDS[1:3]) if quick else (30, 7, THRESHOLDS)
    saved(root, 4 if quick else 12)
    plain = cascade(root, steps, None, device)
    kept = {threshold: cascade(root, steps, threshold, device) for threshold in thresholds}
    works = {str(threshold): (lambda live=live: live.sample("a red apple")) for threshold, live in kept.items()}
    times = timing.alternate({"plain": lambda: plain.sample("a red apple"), **works}, repeats)
    truth, found = plain.sample("a red apple", num=4).x, list[timing.Result]()
    for threshold, live in kept.items():
        change = live.sample("a red apple", num=4).x - truth
        each = (change.square().flatten(1).mean(1) / truth.square().flatten(1).mean(1)).sqrt()
        low, value, high = float(each.min()), float(each.mean()), float(each.max())
        found.append(timing.ratio(f"speed_at_{threshold}", times["plain"], times[str(threshold)]))
        found.append(timing.Result(f"error_at_{threshold}", value, "relative", low, high, len(each)))
    return found


if __name__ == "__main__":
    on_device.main("caches", __doc__, measure)
