"""Stages of 300 MB and more with random weights, and what a process holds while a cascade of them runs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import diffusers
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "stage"))

from tiny_pipelines import NO_CHECKER, WIDTH, if_base, if_scheduler, if_super, t5, tokenizer

WRAPPED, OWN = ("one", "two", "three"), ("four", "five")
"""Pipelines, and networks of ours that take up what those make."""
NETWORK = {"width": 144, "mults": [1, 2, 4], "attention": [2], "head_dim": 32}
TINY = {"width": 8, "mults": [1, 2], "attention": []}


def if_unet(seed: int, in_channels: int, width: int, *, narrow: int = 256, layers: int = 9) -> Any:
    torch.manual_seed(seed)
    more: dict[str, Any] = {"class_embed_type": "timestep", "num_class_embeds": 1000} if in_channels == 6 else {}
    return diffusers.UNet2DConditionModel(
        sample_size=8, in_channels=in_channels, out_channels=6, layers_per_block=layers,
        block_out_channels=(narrow, width), norm_num_groups=32, attention_head_dim=32, cross_attention_dim=WIDTH,
        encoder_hid_dim=WIDTH,
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"), **more,
    )  # fmt: skip


def build(root: Path, width: int, count: int) -> None:
    """Three pipelines, the second the largest, and stages of ours on top; tiny ones beside them, to warm up on."""
    from dynaxx import Cascade
    from dynaxx.spec.files import parse

    noising = diffusers.DDPMScheduler(beta_schedule="squaredcos_cap_v2")
    for index, name in enumerate(WRAPPED):
        if index == 0:
            pipe = diffusers.IFPipeline(
                tokenizer(), t5(), if_unet(1, 3, width), if_scheduler(), watermarker=None, **NO_CHECKER
            )
        else:
            network = if_unet(1 + index, 6, width + 32 * (index == 1))
            pipe = diffusers.IFSuperResolutionPipeline(
                tokenizer(), t5(), network, if_scheduler(), noising, watermarker=None, **NO_CHECKER
            )
        pipe.save_pretrained(root / name)
        (if_super() if index else if_base()).save_pretrained(root / "tiny" / name)
    for place, network in ((root, NETWORK), (root / "tiny", TINY)):
        for name, stage in Cascade.from_spec(parse(spec(count, network)), root=place, fresh=True).stages.items():
            if name in OWN:
                stage.save(place / "stages" / name)


def spec(count: int, network: dict[str, Any]) -> dict[str, Any]:
    """So many stages, each on the one before; from the third on they stay on its grid."""
    few = {"num_inference_steps": 2}
    base = {"name": "one", "role": "base", "kind": "pipeline", "load": "one", "call": few, "out": {"size": [8, 8]}}
    ups = [
        {
            "name": name,
            "role": "bridge",
            "kind": "pipeline",
            "call": few,
            "load": name,
            "from": low,
            "out": {"scale": 2},
        }
        for low, name in zip(WRAPPED, WRAPPED[1:], strict=False)
    ]
    ours = [
        {"name": name, "role": "refine", "network": network, "solver": {"steps": 2}, "from": low}
        for low, name in zip((WRAPPED[-1], *OWN), OWN, strict=False)
    ]
    return {"name": "large", "condition": {"text": {}}, "stages": [base, *ups, *ours][:count]}


def held(name: str) -> int:
    """A figure of this process's memory in bytes: `VmRSS` now, `VmHWM` at most since it was last cleared."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    return int(lines[name].split()[0]) * 1024


def measure(root: Path, placement: str, count: int) -> dict[str, Any]:
    """Run the cascade as a process of its own would, and say what it held above its imports."""
    from dynaxx import Cascade
    from dynaxx.engine.move import weights_bytes
    from dynaxx.engine.runtime import Runtime
    from dynaxx.spec.files import parse
    from dynaxx.stage.mapped import give_back
    from dynaxx.stage.stage import Fetched

    runtime = Runtime(placement=placement)
    warm = Cascade.from_spec(parse(spec(count, TINY)), root=root / "tiny", runtime=runtime)
    warm.sample("a red apple")
    for stage in warm.stages.values():
        if isinstance(stage, Fetched):
            stage.evict()
    give_back()
    Path("/proc/self/clear_refs").write_text("5")
    before = held("VmRSS")
    live = Cascade.from_spec(parse(spec(count, NETWORK)), root=root, runtime=runtime)
    samples = live.sample("a red apple", seed=1)
    weights = weights_bytes(live.stages)
    torch.save(samples.x, root / f"{placement}.pt")
    return {
        "peak": held("VmHWM") - before, "weights": weights,
        "events": [event.event for event in samples.trace.events],
        "grew": [event.grew_bytes for event in samples.trace.events],
    }  # fmt: skip


if __name__ == "__main__":
    way, place, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    if way == "build":
        build(place, int(sys.argv[4]), count)
    else:
        print(json.dumps(measure(place, way, count)))
