"""Ten sound cascades of pretrained pipelines, as data."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

Data = dict[str, Any]


def stage(name: str, load: str, out: Data, **more: Any) -> Data:
    role = "base" if "inputs" not in more and "from" not in more else "bridge"
    return {"name": name, "role": role, "kind": "pipeline", "load": load, "out": out, **more}


def cascade(*stages: Data, **more: Any) -> Data:
    return {"name": "x", "condition": {"text": {}}, "stages": list(stages), **more}


CODECS: Data = {
    "sd": {"load": "sd/vae", "scale": 0.18215}, "sdxl": {"load": "sdxl/vae", "scale": 0.13025},
    "ltx": {"load": "ltx/vae", "channels": 8}, "wan": {"load": "wan/vae", "channels": 16},
}  # fmt: skip
IMAGE: Data = {"image": {"size": [16, 16]}}
NOISE: Data = {"std": 0.4, "form": "preserving"}


def codec(name: str) -> Data:
    return {"codecs": {name: copy.deepcopy(CODECS[name])}}


def deepfloyd() -> Data:
    two = stage("two", "if-2", {"scale": 2}, inputs={"low": {"from": "one", "noise": dict(NOISE)}})
    return cascade(stage("one", "if-1", {"size": [8, 8]}), two, stage("three", "x4", {"scale": 4}, **{"from": "two"}))


def sdxl() -> Data:
    base = stage("base", "sdxl", {"channels": 4, "size": [8, 8], "space": "sdxl"}, call={"denoising_end": 0.8})
    refiner = stage("refiner", "sdxl-refiner", {"scale": 2}, call={"denoising_start": 0.8}, **{"from": "base"})
    return cascade(base, refiner, **codec("sdxl"))


def sdxl_by_level() -> Data:
    data = sdxl()
    data["stages"][0].pop("call")
    data["stages"][1] |= {
        "call": {},
        "inputs": {"low": {"from": "base", "via": "start", "hand": "noisy", "hand_std": 0.57}},
    }
    data["stages"][1].pop("from")
    return data


def sd_x2() -> Data:
    base = stage("base", "sd", {"channels": 4, "size": [8, 8], "space": "sd"})
    return cascade(base, stage("up", "sd-x2", {"scale": 4}, **{"from": "base"}), **codec("sd"))


def sd_x4() -> Data:
    low = {"low": {"from": "base", "noise": dict(NOISE)}}
    return cascade(stage("base", "sd", {"size": [16, 16]}), stage("up", "x4", {"scale": 4}, inputs=low))


def ltx() -> Data:
    base = stage("base", "ltx", {"channels": 8, "size": [2, 8, 8], "space": "ltx"})
    up = stage("up", "ltx-up", {"channels": 8, "scale": {"hw": 2}, "space": "ltx"}, **{"from": "base"})
    low = {"low": {"from": "up", "via": "start"}}
    refine = stage("refine", "ltx-refine", {"size": [5, 64, 64]}, inputs=low, call={"denoise_strength": 0.4})
    return cascade(base, up, refine, **codec("ltx"))


def wan() -> Data:
    low = {"low": {"from": "high", "via": "start", "hand": "noisy", "hand_std": 7}}
    high = stage("high", "wan", {"channels": 16, "size": [3, 4, 4], "space": "wan"})
    return cascade(high, stage("low", "wan", {"size": [9, 32, 32]}, inputs=low), **codec("wan"))


def inpaint() -> Data:
    reads = {"low": "input.image", "mask_image": "input.mask"}
    users = IMAGE | {"mask": {"channels": 1, "size": [16, 16]}}
    return cascade(stage("fill", "sd-inpaint", {"size": [16, 16]}, inputs=reads), inputs=users)


def image_to_image() -> Data:
    low = {"low": {"from": "input.image", "via": "start", "noise": {"std": 1.0}}}
    one = stage("again", "sd", {"size": [16, 16]}, inputs=low, pipeline="StableDiffusionImg2ImgPipeline")
    return cascade(one, inputs=dict(IMAGE))


def mixed() -> Data:
    data = sd_x4()
    ours = {"name": "ours", "role": "bridge", "kind": "regression", "from": "base", "out": {"scale": 1}}
    data["stages"].insert(1, ours)
    data["stages"][2]["inputs"]["low"]["from"] = "ours"
    return data


SOUND: list[Callable[[], Data]] = [
    deepfloyd, sdxl, sdxl_by_level, sd_x2, sd_x4, ltx, wan, inpaint, image_to_image, mixed
]  # fmt: skip
