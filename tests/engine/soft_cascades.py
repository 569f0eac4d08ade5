"""Cascades whose weights outweigh their signals, so that what a device holds shows: pipelines, and networks of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import torch
from large_stages import if_unet
from tiny_pipelines import NO_CHECKER, flux, if_scheduler, t5, tokenizer

from dynaxx import Cascade
from dynaxx.engine.runtime import Runtime
from dynaxx.spec.files import parse

WIDTHS = {"base": 192, "up": 256, "top": 192}
"""Of the networks of the three pipelines: the second is the largest."""
OURS: dict[str, Any] = {
    "name": "ours", "stages": [
        {"name": "base", "role": "base", "solver": {"steps": 2}, "out": {"size": [8, 8]}},
        {"name": "up", "role": "bridge", "solver": {"steps": 2}, "from": "base", "out": {"scale": 2}},
        {"name": "top", "role": "refine", "kind": "regression", "from": "up"},
    ],
}  # fmt: skip


def build_pipelines(root: Path) -> None:
    """Three pipelines of DeepFloyd's kind, and one of many equal blocks."""
    noising = diffusers.DDPMScheduler(beta_schedule="squaredcos_cap_v2")
    for index, (name, width) in enumerate(WIDTHS.items()):
        network = if_unet(1 + index, 6 if index else 3, width, narrow=32, layers=1)
        parts = (tokenizer(), t5(), network, if_scheduler())
        made = (
            diffusers.IFSuperResolutionPipeline(*parts, noising, watermarker=None, **NO_CHECKER)
            if index
            else diffusers.IFPipeline(*parts, watermarker=None, **NO_CHECKER)
        )
        made.save_pretrained(root / name)
    long = flux()
    more = {"num_layers": 2, "num_single_layers": 12, "num_attention_heads": 8}
    torch.manual_seed(3)
    long.register_modules(
        transformer=diffusers.FluxTransformer2DModel.from_config(dict(long.transformer.config) | more)
    )
    long.save_pretrained(root / "long")


def build_ours(root: Path) -> None:
    """Three networks of ours, the second the largest."""
    shape = {"mults": [1, 2, 4], "attention": [2], "head_dim": 32}
    stages = [{"network": shape | {"width": 32 if one["name"] == "up" else 24}} | one for one in OURS["stages"]]
    Cascade.from_spec(parse(OURS | {"stages": stages}), fresh=True).save_pretrained(root / "ours")


def pipelines(root: Path, **runtime: Any) -> Cascade:
    """The three pipelines, one upon the other."""
    stages: list[dict[str, Any]] = []
    for name in WIDTHS:
        above = {"role": "bridge", "from": stages[-1]["name"], "out": {"scale": 2}} if stages else {"role": "base"}
        few = {"num_inference_steps": 2}
        stages.append({"name": name, "kind": "pipeline", "load": name, "call": few, "out": {"size": [8, 8]}} | above)
    return opened(stages, root, **runtime)


def long(root: Path, **runtime: Any) -> Cascade:
    """The pipeline of many equal blocks."""
    call = {"num_inference_steps": 3, "max_sequence_length": 16}
    stage = {"name": "base", "role": "base", "kind": "pipeline", "load": "long", "call": call}
    return opened([stage | {"out": {"size": [16, 16]}}], root, **runtime)


def opened(stages: list[dict[str, Any]], root: Path, **runtime: Any) -> Cascade:
    spec = parse({"name": "x", "condition": {"text": {}}, "stages": stages})
    return Cascade.from_spec(spec, root=root, runtime=Runtime(**runtime))


def ours(root: Path, **runtime: Any) -> Cascade:
    """Our own networks, from their folder."""
    return Cascade.from_pretrained(root / "ours", runtime=Runtime(**runtime))
