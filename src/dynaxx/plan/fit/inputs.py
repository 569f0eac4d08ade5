"""Rules on what a pipeline reads: the space, size and level of its inputs, and what is done to them on the way."""

from __future__ import annotations

from dynaxx.noise.units import std_of
from dynaxx.plan.fit.agreement import Place, Rule
from dynaxx.spec.grid import PIXELS, by_x
from dynaxx.spec.grids import kernels

LOW = "inputs.low"
NOISE_AT = {"if-noise-level": "high", "x4-noise-level": "low"}
"""Where pipelines put noise on their low input: after or before they resize it."""


NOISING = ("low_res_scheduler", "image_noising_scheduler")
TABLES: dict[str, dict[str, str | float]] = {
    "if-noise-level": {"beta_schedule": "squaredcos_cap_v2"},
    "x4-noise-level": {"beta_schedule": "scaled_linear", "beta_start": 1e-4, "beta_end": 0.02},
}
"""The part that puts noise on, and the table that the published ones have."""


def reads(at: Place) -> Rule:
    """An input is there where a pipeline needs one, and not where it reads none."""
    family, has = at.facts.family, "low" in at.stage.inputs
    if family is None:
        return
    if has or (family.low and family.latents != "latents"):
        wants = bool(family.low or family.latents)
        fix = "Name what it reads with `from`." if wants else "Remove the input, or name an image-to-image `pipeline`."
        yield at.says("input", "a signal" if has else "none", "a signal" if wants else "none", fix, key=LOW)
    shown = at.low is not None and len(at.low.size) == 2
    if "ImageToVideo" in at.facts.pipeline:
        given = "a picture" if shown or "image" in at.stage.inputs else "none"
        yield at.says("picture", given, "a picture", "Read one: `image: input.image`.", key="inputs.image")
    elif shown and family.axes == "thw":
        fix = "Name an image-to-video `pipeline`, or read it as `image` where the pipeline takes one."
        yield at.says("input", "a picture", "a video", fix, key=LOW)
    if "Inpaint" in at.facts.pipeline:
        given = "a mask" if "mask_image" in at.stage.inputs else "none"
        yield at.says("mask", given, "a mask", "Read one: `mask_image: input.mask`.", key="inputs.mask_image")


def masks(at: Place) -> Rule:
    """A mask has one channel."""
    mask = at.grids.lows.get((at.stage.name, "mask_image"))
    if mask is not None:
        fix = "Declare the input with 1 channel."
        yield at.says("channels of the mask", mask.channels, 1, fix, key="inputs.mask_image")


def space(at: Place) -> Rule:
    """Latents go where latents are read, and pixels where pixels are."""
    family, low = at.facts.family, at.low
    if family is None or low is None or not (family.low or family.latents):
        return
    given = "pixels" if low.space == PIXELS else "latents"
    takes = [word for word, argument in (("pixels", family.low), ("latents", family.latents)) if argument]
    fix = "Let the stage above answer in " + " or ".join(takes) + " (`out.space`)."
    yield at.says("space", given, " or ".join(takes), fix, key=LOW, fits=given in takes)


def channels(at: Place) -> Rule:
    """As many channels as the codec, or the picture, has."""
    low = at.low
    if low is None:
        return
    latent = low.space != PIXELS
    stacked = at.facts.of_network("in_channels") if at.facts.family and at.facts.family.level else None
    pixels = at.facts.get("vae", "in_channels") or (stacked // 2 if stacked and "vae" not in at.facts.parts else None)
    if pixels is None and at.facts.pipeline.startswith("IF"):
        pixels = at.facts.of_network("in_channels")
    wants = at.facts.latent_channels if latent else pixels
    fix = "Let the stage above answer with as many (`out.channels`)."
    yield at.says("channels", low.channels, wants, fix, key=LOW)


def latents(at: Place) -> Rule:
    """Latents have the scale and shift of this pipeline's codec: those said, else those of the pipeline above."""
    declared, vae = at.codec(at.low), at.facts.parts.get("vae")
    if declared is None or vae is None:
        return
    fix = "Decode above and hand on pixels, or use stages of one codec."
    above = at.all_facts.get(at.above.name) if at.above is not None else None
    theirs = above.parts.get("vae", {}) if above is not None else {}
    own_shift = float(theirs.get("shift_factor") or 0) if theirs else None
    scale = theirs.get("scaling_factor") if declared.scale is None else declared.scale
    shift = own_shift if declared.shift is None else declared.shift
    if vae.get("latents_mean") is None:
        yield at.says("scale of the latents", scale, vae.get("scaling_factor"), fix, key=LOW)
        if vae.get("shift_factor") is not None:
            yield at.says("shift of the latents", shift, float(vae["shift_factor"]), fix, key=LOW)
    for key in ("_class_name", "latents_mean", "latents_std", "patch_size"):
        if key in theirs or key in vae:
            given, wanted = theirs.get(key), vae.get(key)
            about = "codec" if key == "_class_name" else f"codec's {key}"
            yield at.says(about, given, wanted, fix, key=LOW)


def scale(at: Place) -> Rule:
    """A fixed factor from what it reads to what it answers."""
    family, low, out = at.facts.family, at.low, at.out
    factor = family.scale if family is not None else 0
    if not factor or low is None or out is None or len(low.size) != len(out.size):
        return
    site = at.facts.spatial_factor or 1
    low_px, out_px = (1 if low.space == PIXELS else site), (1 if out.space == PIXELS else site)
    wants = [round(n * low_px * factor / out_px) for n in low.size[-2:]]
    fix = f"Set `out.size` to {by_x(wants)}, or leave it to `out.scale`."
    yield at.says("size of the answer", by_x(out.size[-2:]), by_x(wants), fix, key="inputs.low")


def same_size(at: Place) -> Rule:
    """A pipeline that begins at its input, or fills a mask in it, answers at its size."""
    family, low, out = at.facts.family, at.low, at.out
    fixed = family is not None and bool(family.start) and family.scale == 0 and family.level is None
    if not fixed or low is None or out is None or len(low.size) != len(out.size):
        return
    site = at.facts.spatial_factor or 1
    wants = by_x([n * (1 if low.space == PIXELS else site) for n in low.size[-2:]])
    given = by_x([n * (1 if out.space == PIXELS else site) for n in out.size[-2:]])
    yield at.says("size of the answer", given, wants, "Let it answer at the size it reads.", key=LOW)


def kernel(at: Place) -> Rule:
    """A kernel said on the edge is the one the pipeline resizes with."""
    family, edge = at.facts.family, at.stage.inputs.get("low")
    if family is None or edge is None or "resize" not in edge.model_fields_set:
        return
    size = at.out.size if at.out is not None else (1, 1)
    given = sorted(set(kernels(edge, size)))
    fix = "Leave `resize` out: the pipeline resizes its input itself."
    yield at.says("kernel", " ".join(given), family.kernel or None, fix, key=f"{LOW}.resize")


def level(at: Place) -> Rule:
    """A level lies in the pipeline's range, and is put on as the pipeline does it."""
    family, edge = at.facts.family, at.stage.inputs.get("low")
    if family is None or edge is None or edge.noise is None or edge.via == "start":
        return
    noise, knob = edge.noise, family.level
    if knob is None:
        fix = "Remove the noise, or begin at the input (`via: start`) where the pipeline can."
        yield at.says("level", f"std {noise.std:g}", "none", fix, key=f"{LOW}.noise")
        return
    most = std_of(knob.unit, float(at.facts.index.get("max_noise_level") or knob.high))
    fix = f"Set a std of at most {most:.3g}."
    yield at.says("level", noise.std, f"std 0 to {most:.3g}", fix, key=f"{LOW}.noise.std", fits=noise.std <= most)
    does = {"form": "preserving", "at": NOISE_AT[knob.unit], "redraw": "once", "told": True}
    for key, wants in does.items():
        if key in noise.model_fields_set:
            fix = f"Set `noise.{key}: {str(wants).lower()}`, or leave it out."
            yield at.says(f"noise.{key}", getattr(noise, key), wants, fix, key=f"{LOW}.noise.{key}")


def noise_table(at: Place) -> Rule:
    """The table by which a pipeline puts noise on its input is the one by which levels are converted."""
    family = at.facts.family
    if family is None or family.level is None:
        return
    part = next((name for name in NOISING if name in at.facts.parts), NOISING[0])
    for key, wants in TABLES[family.level.unit].items():
        fix = "Load the release's own scheduler; a table of its own takes its own timestep (`call.noise_level`)."
        yield at.says(f"{key} of the noise", at.facts.get(part, key), wants, fix, key="load")


def level_called(at: Place) -> Rule:
    """A level in the call lies in the range of its own unit."""
    knob = at.facts.family.level if at.facts.family is not None else None
    value = at.stage.call.get("noise_level")
    if knob is not None and isinstance(value, (int, float)):
        most = float(at.facts.index.get("max_noise_level") or knob.high)
        wants = f"{knob.low:g} to {most:g} ({knob.unit})"
        fix = "Write a timestep; a std stands on the edge as `noise.std`."
        whole = float(value).is_integer()
        yield at.says(
            "noise_level", float(value), wants, fix, key="call.noise_level", fits=whole and knob.low <= value <= most
        )
    elif value is not None:
        fix = "Remove it: this pipeline puts no noise on its input."
        yield at.says("noise_level", str(value), "none", fix, key="call.noise_level")


def starts(at: Place) -> Rule:
    """Denoising begins at an input only where the pipeline can."""
    family, edge = at.facts.family, at.stage.inputs.get("low")
    if family is None or edge is None or edge.via != "start" or edge.hand == "noisy":
        return
    can = "a pipeline that begins at its input"
    given = can if family.start else "one that begins at noise"
    yield at.says("start", given, can, "Use `via: concat`, or name an image-to-image `pipeline`.", key=f"{LOW}.via")


RULES = (
    reads, masks, space, channels, latents, scale, same_size, kernel, level, noise_table, level_called, starts
)  # fmt: skip
