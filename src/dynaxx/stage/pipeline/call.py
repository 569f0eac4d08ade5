"""What a pipeline is called with: signals, sizes, levels in its own unit, and the file's own arguments."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from dynaxx.errors import SpecError
from dynaxx.noise.units import UNITS, value_of
from dynaxx.signal.random import Draws
from dynaxx.spec.families import Family, Knob
from dynaxx.spec.grid import PIXELS, Grid
from dynaxx.spec.problem import did_you_mean
from dynaxx.spec.stage import PipelineStage
from dynaxx.stage.stage import Request

SPATIAL = ("vae_spatial_compression_ratio", "vae_scale_factor_spatial", "vae_scale_factor")
TEMPORAL = ("vae_temporal_compression_ratio", "vae_scale_factor_temporal")
"""What pipelines call the number of pixels, or frames, behind one site of a latent."""
SEED_BITS = 53
"""Of a generator's seed: whole numbers that JSON and a reader's script hold exactly."""


def check_call(pipe: Any, spec: PipelineStage) -> None:
    """See that the pipeline takes every argument of `call`.

    Raises:
        SpecError: naming the argument, and those that the pipeline takes.
    """
    takes = parameters(pipe)
    for name in spec.call:
        if name not in takes:
            what = f"is no argument of {type(pipe).__name__}."
            raise SpecError(f"stage {spec.name!r}, call.{name}", what, f"{did_you_mean(name, takes)}Remove it.")


def parameters(pipe: Any) -> Mapping[str, inspect.Parameter]:
    """The arguments of a pipeline's call."""
    return inspect.signature(pipe.__call__).parameters


def taken(request: Request, row: int) -> Request:
    """One sample of a batch, as a batch of its own."""
    rows = slice(row, row + 1)
    inputs = {name: replace(x, x=x.x[rows], source=x.source[rows]) for name, x in request.inputs.items()}
    draws = replace(request.draws, ids=request.draws.ids[rows])
    return replace(request, inputs=inputs, draws=draws, condition=request.condition.take(rows))


def signals(pipe: Any, family: Family, request: Request, dtype: torch.dtype) -> dict[str, Any]:
    """The stage's inputs as arguments: `low` as the family's own, every other under its own name."""
    found = {}
    for name, given in request.inputs.items():
        latent = name == "low" and _is_latent(pipe, given.x)
        argument = (family.latents if latent else family.low) if name == "low" else name
        if argument not in parameters(pipe):
            what = f"{type(pipe).__name__} takes no input as {'latents' if latent else argument or 'a signal'}."
            fix = "Name the input after the pipeline's argument (mask_image), or remove it."
            raise SpecError(f"stage {request.spec.name!r}, inputs.{name}", what, fix)
        x = given.x.to(request.device, dtype)
        found[argument] = x if latent else _pixels(x, family, mask="mask" in argument)
        if family.seen and not latent and getattr(pipe, "image_encoder", None) is not None:
            found[argument] = _picture(pipe, found[argument])
    return found


def _picture(pipe: Any, x: Tensor) -> Any:
    """One picture in [0, 1] as an 8-bit one: as it was, where it came from a file of such."""
    processor = pipe.video_processor
    return processor.numpy_to_pil(processor.pt_to_numpy(x))[0]


def _is_latent(pipe: Any, x: Tensor) -> bool:
    """Latents are told by their channels, as the pipelines tell them."""
    vae = getattr(pipe, "vae", None)
    channels = None if vae is None else vae.config.get("latent_channels", vae.config.get("z_dim"))
    return channels is not None and x.shape[1] == channels


def _pixels(x: Tensor, family: Family, *, mask: bool) -> Tensor:
    """Signals in [-1, 1] in the range that the pipeline reads: a tensor below 0 would be taken for finished."""
    if family.signed and not mask:
        return x
    unit = x.clamp(-1, 1) / 2 + 0.5
    return unit.transpose(1, 2) if unit.ndim == 5 else unit


def sizes(pipe: Any, spec: PipelineStage, grid: Grid) -> dict[str, int]:
    """Height, width and frames of the answer in pixels, where the pipeline takes them and the file says none."""
    takes, latent = parameters(pipe), grid.space != PIXELS
    space, time = (_factor(pipe, SPATIAL), _factor(pipe, TEMPORAL)) if latent else (1, 1)
    found = {"height": grid.size[-2] * space, "width": grid.size[-1] * space}
    if len(grid.size) == 3:
        found["num_frames"] = (grid.size[0] - 1) * time + 1
    return {name: value for name, value in found.items() if name in takes and name not in spec.call}


def _factor(pipe: Any, names: tuple[str, ...]) -> int:
    return next((int(getattr(pipe, name)) for name in names if hasattr(pipe, name)), 1)


def level(family: Family, request: Request) -> dict[str, float]:
    """The level that the edge puts on `low`, in the pipeline's own unit."""
    edge = request.spec.inputs.get("low")
    if edge is None or edge.noise is None or edge.via == "start":
        return {}
    if family.level is None:
        what = "is a level, and this pipeline puts none on its input."
        fix = "Remove it, or use `via: start` where the pipeline begins at its input."
        raise SpecError(f"stage {request.spec.name!r}, inputs.low.noise", what, fix)
    return {family.level.argument: in_unit(family.level, edge.noise.std)}


def in_unit(knob: Knob, std: float) -> int:
    """A std in a knob's unit, the nearest whole number; below its least level, the least.

    Raises:
        UsageError: if the level is beyond the unit.
    """
    least, _ = UNITS[knob.unit].reach
    return round(value_of(knob.unit, max(std, least)))


def output(family: Family, grid: Grid) -> dict[str, Any]:
    """What form the answer is asked for in."""
    return {"output_type": "pt" if grid.space == PIXELS else "latent", "return_dict": False}


def answer(pipe: Any, family: Family, grid: Grid, given: Any) -> Tensor:
    """The pipeline's answer as a signal of ours: `B C H W` or `B C T H W`, pixels in [-1, 1]."""
    x = given if isinstance(given, Tensor) else given[0]  # SDXL's inpainting gives latents as an output with names
    assert isinstance(x, Tensor)
    if grid.space != PIXELS:
        return unpacked(pipe, x, grid)
    x = x.transpose(1, 2) if x.ndim == 5 else x
    return x if family.signed else x * 2 - 1


def unpacked(pipe: Any, x: Tensor, grid: Grid) -> Tensor:
    """Latents that a pipeline keeps as a sequence of patches, back on their grid."""
    if x.ndim != 3 or not hasattr(pipe, "_unpack_latents"):
        return x
    space, time = (1, 1) if grid.space != PIXELS else (_factor(pipe, SPATIAL), _factor(pipe, TEMPORAL))
    size = ((grid.size[0] - 1) // time + 1, grid.size[1] // space, grid.size[2] // space)
    found = pipe._unpack_latents(x, *size, pipe.transformer_spatial_patch_size, pipe.transformer_temporal_patch_size)
    assert isinstance(found, Tensor)
    return found


def guessed(pipe: Any) -> Family:
    """What the arguments of a pipeline's call say of one whose family is not known."""
    takes = parameters(pipe)
    low = next((name for name in ("image", "video") if name in takes), "")
    start = next((name for name in ("strength", "denoise_strength") if name in takes), "")
    return Family(low=low, latents="latents" if "latents" in takes else "", start=start)


def seeds_of(draws: Draws) -> list[int]:
    """The seed of each sample's generator, from the counter-based stream of its stage."""
    words = draws.bits("generator", (2,)).tolist()
    return [(high & (1 << SEED_BITS - 32) - 1) << 32 | low for high, low in words]
