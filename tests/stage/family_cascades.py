"""A cascade file for every wrapped family, over the tiny pipelines."""

from __future__ import annotations

DEEPFLOYD = """\
name: deepfloyd
condition: {text: {}}
stages:
  - {name: one, role: base, kind: pipeline, load: if-1, out: {size: [SIZE, SIZE]}, call: {num_inference_steps: STEPS}}
  - name: two
    role: bridge
    kind: pipeline
    load: if-2
    inputs: {low: {from: one, noise: {std: STD, form: preserving}}}
    call: {num_inference_steps: 2, MORE}
    out: {scale: {hw: 2}}
"""


def deepfloyd(*, size: int, steps: int, std: float, more: str = "") -> str:
    """Its first two stages; `more` goes into the call of the second."""
    said = {"SIZE": f"{size}", "STEPS": f"{steps}", "STD": f"{std}", ", MORE": f", {more}" if more else ""}
    text = DEEPFLOYD
    for place, words in said.items():
        text = text.replace(place, words)
    return text


IF = (
    deepfloyd(size=8, steps=3, std=0.427, more="guidance_scale: 4.0, negative_prompt: blurry")
    + """\
  - {name: three, role: refine, kind: pipeline, load: x4, from: two, call: {num_inference_steps: 2}, out: {scale: 4}}
"""
)
SDXL = """\
name: sdxl
condition: {text: {}}
codecs: {sdxl: {load: sdxl/vae, scale: 0.13025}}
stages:
  - {name: base, role: base, kind: pipeline, load: sdxl, call: {BASE}, out: {channels: 4, size: [8, 8], space: sdxl}}
  - name: refiner
    role: refine
    kind: pipeline
    load: sdxl-refiner
    inputs: {low: {LOW}}
    call: {CALL}
    out: {scale: {hw: 2}}
"""
STEPS = "num_inference_steps: 5"
SD_X2 = """\
name: sd-x2
condition: {text: {}}
codecs: {sd: {load: sd/vae, scale: 0.18215}}
stages:
  - {name: base, role: base, kind: pipeline, load: sd, call: {num_inference_steps: 2},
     out: {channels: 4, size: [8, 8], space: sd}}
  - name: upscaler
    role: refine
    kind: pipeline
    load: sd-x2
    from: base
    call: {num_inference_steps: 3, guidance_scale: 0}
    out: {scale: 4}
"""
SD_X4 = """\
name: sd-x4
condition: {text: {}}
stages:
  - {name: base, role: base, kind: pipeline, load: sd, call: {num_inference_steps: 2}, out: {size: [16, 16]}}
  - name: upscaler
    role: refine
    kind: pipeline
    load: x4
    inputs: {low: {from: base, noise: {std: 0.1723, form: preserving}}}
    call: {num_inference_steps: 2, guidance_scale: 3.0}
    out: {scale: {hw: 4}}
"""
LTX_BASE = """\
name: ltx
condition: {text: {}}
codecs: {ltx: {load: ltx/vae, channels: 8}}
stages:
  - {name: base, role: base, kind: pipeline, load: ltx, call: {num_inference_steps: 2},
     out: {channels: 8, size: [2, 8, 8], space: ltx}}
"""
LTX = (
    LTX_BASE
    + """\
  - {name: up, role: bridge, kind: pipeline, load: ltx-up, from: base, out: {channels: 8, scale: {hw: 2}, space: ltx}}
  - name: refine
    role: refine
    kind: pipeline
    load: ltx-refine
    inputs: {low: {from: up, via: start}}
    call: {num_inference_steps: 4, denoise_strength: 0.5}
    out: {size: [5, 64, 64]}
"""
)
WAN = """\
name: wan
condition: {text: {}}
codecs: {wan: {load: wan/vae, channels: 16}}
stages:
  - {name: high, role: base, kind: pipeline, load: wan, call: {num_inference_steps: 4},
     out: {channels: 16, size: [3, 4, 4], space: wan}}
  - name: low
    role: refine
    kind: pipeline
    load: wan
    inputs: {low: {from: high, via: start, hand: noisy, hand_std: 7}}
    call: {num_inference_steps: 4}
    out: {size: [9, 32, 32]}
"""
BY_SHARE = {"BASE": f"{STEPS}, denoising_end: 0.6", "CALL": f"{STEPS}, denoising_start: 0.6", "LOW": "from: base"}
BY_LEVEL = {"BASE": STEPS, "CALL": STEPS, "LOW": "from: base, via: start, hand: noisy, hand_std: 0.972"}
"""At 400 of 1000 timesteps, where `denoising_end: 0.6` stops, the std is 0.97."""


def sdxl(said: dict[str, str]) -> str:
    """The hand-over said by share or by level."""
    text = SDXL
    for place, words in said.items():
        text = text.replace(f"{{{place}}}", f"{{{words}}}")
    return text


FAMILIES: dict[str, tuple[str, tuple[str, ...]]] = {
    "if": (IF, ("if-1", "if-2", "x4")),
    "sdxl": (sdxl(BY_LEVEL), ("sdxl", "sdxl-refiner")),
    "sdxl-by-share": (sdxl(BY_SHARE), ("sdxl", "sdxl-refiner")),
    "sd-x2": (SD_X2, ("sd", "sd-x2")),
    "sd-x4": (SD_X4, ("sd", "x4")),
    "ltx": (LTX, ("ltx", "ltx-up", "ltx-refine")),
    "wan": (WAN, ("wan",)),
}
"""By name: the file, and the pipelines that it loads."""
