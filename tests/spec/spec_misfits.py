"""Cascades whose parts are right and do not fit each other, and short forms gone wrong, with what is said of them."""

from __future__ import annotations

from typing import Any

from spec_faults import LOW, TWO

VAE = {"codecs.vae.load": "x", "stages.1.out": {"channels": 4, "scale": 2, "space": "vae"}}
"""The bridge among the latents of a codec, between pixels and pixels."""

MISFITS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "v karras": (
        {"stages.0.process": {"kind": "karras"}, "stages.0.prediction": "v"},
        ["prediction: is 'v'", "Predict edm, x"],
    ),
    "eps flow": (
        {"stages.0.process": {"kind": "flow"}, "stages.0.prediction": "eps"},
        ["where a flow process starts", "Predict x"],
    ),
    "key of other kind": (
        {"stages.0.process": {"start": 0.1}},
        ["process.start: the key 'start' is unknown. Kinds with this key: sigmoid, tr"],
    ),
    "no kind": ({"data": {"path": "x"}}, ["data: says no `kind`", "Known kinds: folder, bundled"]),
    "edge key on stage": (
        {"stages.2.cutoff": 0.5},
        ["stages.2 (refine).cutoff", "write `inputs: {low: {from: ..., cutoff"],
    ),
    "weights of short": (
        {"stages.2.from": TWO, "stages.2.merge": "weighted", "stages.2.weights": [1, 2]},
        ["Write `from`, `merge` and it in"],
    ),
    "from nothing": ({"stages.1.inputs.context.from": None}, ["context.from: expects a name, but got nothing"]),
    "key no text": ({"stages.1.inputs.low": {1: 2, "from": "base"}}, ["low.1: expects keys that are texts, but got"]),
    "no target": (
        {"stages.0": {"name": "a", "role": "base", "kind": "custom", "target": "a.B"}},
        ["'a.B' is no path", "module:Class"],
    ),
    "no colour": ({"data": {"kind": "folder", "path": "x", "background": "red"}}, ["'red' is no colour"]),
    "reserved data": ({"stages.2.name": "data"}, ["stages.2 (data).name: 'data' is reserved"]),
    "logsnr_max": ({"stages.0.process": {"logsnr_max": 3000}}, ["logsnr_max: expects at most 100, but got 3000"]),
    "rho": ({"stages.0.process": {"kind": "karras", "rho": 0.01}}, ["rho: expects at least 0.1"]),
    "temperature": (
        {"stages.0.process": {"kind": "sigmoid", "temperature": 0.01}},
        ["temperature is 0.01. Set it to 0.075 or more."],
    ),
    "blur": ({f"{LOW}.blur.std": 1e12}, ["blur.std: expects at most 10000"]),
    "truncated end": ({"stages.2.process.end": 5}, ["end 5 must lie below start 0.1"]),
    "empty scale": ({"stages.1.out.scale": {}}, ["out.scale: scale names no axis"]),
    "codec of nothing": ({"codecs.vae": {"load": "x", "scale": 0}}, ["codecs.vae.scale: scale is 0"]),
    "codec's numbers": (
        {"codecs.vae": {"load": "x", "scale": [1, 2]}},
        ["codecs.vae.scale: scale has 2 numbers for 4 channels", "one per channel"],
    ),
    "codec's id": ({"codecs.vae": {"load": "x", "id": "mine"}}, ["codecs.vae.id: 'mine' is no identity"]),
    "half a latent": (
        {**VAE, f"{LOW}.resize_in": "latents", "stages.0.out.size": [20, 20]},
        ["stages.1 (bridge).inputs.low: 20x20 is no whole number of sites of codec 'vae', whose factors are 8x8"],
    ),
    "shrinks among latents": (
        {**VAE, "codecs.vae.factor": 6, "stages.1.out": {"channels": 4, "size": [2, 2], "space": "vae"}},
        ["out: gives 12x12, smaller than its low input's 16x16"],
    ),
    "encodes other channels": (
        {**VAE, "stages.0.out.channels": 1},
        ["stages.1 (bridge).inputs.low: 'base' gives 1 channels, but codec 'vae' encodes 3", "signal_channels"],
    ),
    "encodes a stack": (
        {**VAE, f"{LOW}.from": TWO, f"{LOW}.merge": "concat"},
        ["inputs.low: the merge gives 6 channels, but codec 'vae' encodes 3"],
    ),
    "resizes no latents": ({f"{LOW}.resize_in": "pixels"}, ["low.resize_in: is given, but nothing on this edge is a"]),
    "resizes latents in pixels": (
        {f"{LOW}.resize_in": "latents"},
        ["low.resize_in: is 'latents', but the stage works in pixels", "set `out.space` to a codec"],
    ),
    "codec's axes": (
        {**VAE, "codecs.vae": {"load": "x", "factor": {"t": 8}}},
        ["stages.1 (bridge).out.space: is 'vae', whose `factor` names axis 't', but the grid has the axes h, w"],
    ),
    "unfinished pixels": (
        {
            **VAE,
            LOW: {"from": "base", "via": "start", "hand": "noisy", "hand_std": 1},
            "stages.1.out": {"channels": 4, "size": [2, 2], "space": "vae"},
        },
        ["inputs.low.hand: is 'noisy', but an unfinished state can be neither decoded nor encoded"],
    ),
    "start on other latents": (
        {**VAE, LOW: {"from": "base", "via": "start", "noise": {"std": 1}}, "stages.1.out.scale": 2},
        ["inputs.low.via: starts at 3x16x16, but the stage answers on 4x4x4 (vae)"],
    ),
    "exact beside a codec": (
        {
            **VAE,
            "stages.1.kind": "gaussian",
            "stages.1.size": [4, 4],
            "stages.1.out": {"channels": 4, "size": [4, 4], "space": "vae"},
        },
        ["inputs.low: is encoded after it was resized, and the closed form of 'gaussian' knows no codec"],
    ),
    "codec called pixels": ({"codecs.pixels.load": "x"}, ["codecs.pixels: is reserved"]),
    "clipped latent": (
        {"codecs.vae": {"load": "x", "channels": 3}, "stages.0.out.space": "vae", "stages.0.solver.clip": "static"},
        ["solver.clip: is 'static'", "latents have no such range"],
    ),
    "input's codec": (
        {"inputs.m": {"size": [16, 16], "space": "vea"}, f"{LOW}.from": "input.m"},
        ["inputs.m.space: names the codec 'vea', which is not declared"],
    ),
    "input's channels": (
        {"codecs.vae.load": "x", "inputs.m": {"size": [16, 16], "space": "vae"}, f"{LOW}.from": "input.m"},
        ["inputs.m.channels: is 3, but codec 'vae' has 4 channels"],
    ),
    "unknown mask": (
        {f"{LOW}.from": TWO, f"{LOW}.merge": "mask", f"{LOW}.mask": "input.m"},
        ["low.mask: 'input.m' is unknown", "{m: {channels: 1, size"],
    ),
    "mask axes": (
        {
            f"{LOW}.from": TWO,
            f"{LOW}.merge": "mask",
            f"{LOW}.mask": "input.m",
            "inputs.m": {"channels": 1, "size": [16]},
        },
        ["low.mask: has the axes l, but what it blends h, w. Declare `input.m` with 2 sizes."],
    ),
    "mask space": (
        {
            f"{LOW}.from": TWO,
            f"{LOW}.merge": "mask",
            f"{LOW}.mask": "input.m",
            "codecs.vae": {"load": "x", "channels": 3},
            "inputs.m": {"size": [16, 16], "space": "vae"},
        },
        ["low.mask: lies in 'vae', but what it blends in 'pixels'"],
    ),
    "never withheld": (
        {"condition.label": {"classes": 2, "dropout": 0}, "stages.0.solver.guidance": 3},
        ["solver.guidance: is 3, but no condition is ever withheld", "Set condition.label.dropout"],
    ),
    "no range to train on": (
        {f"{LOW}.noise": {"std": 0.1}, "stages.1.train.steps": 5},
        ["low.noise.train_std: is missing, and the stage is trained"],
    ),
    "start repeat 0": (
        {
            "stages.1.out": {},
            f"{LOW}.via": "start",
            f"{LOW}.noise": {"std": 0.5},
            "stages.1.repeat": {"times": 2, "std": [0.5, 0]},
        },
        ["low.noise: bears `repeat.std` 0 at some pass, so `via: start` leaves nothing"],
    ),
    "start too high": (
        {
            "stages.1.out": {},
            f"{LOW}.via": "start",
            f"{LOW}.noise": {"std": 100},
            "stages.1.process": {"kind": "karras"},
        },
        ["low.noise.std: 100 cannot be started at: the karras process goes from 80 to 0.002"],
    ),
    "repeat start too high": (
        {
            "stages.1.out": {},
            f"{LOW}.via": "start",
            f"{LOW}.noise": {"std": 1},
            "stages.1.process": {"kind": "karras"},
            "stages.1.repeat": {"times": 2, "std": [100, 1]},
        },
        ["stages.1 (bridge).repeat.std: 100 cannot be started at"],
    ),
    "gaussian blur": (
        {"stages.1.kind": "gaussian", "stages.1.size": [64, 64], f"{LOW}.blur.std": 1},
        ["inputs.low.blur: is put on the input"],
    ),
    "exact copies": (
        {"stages.1.kind": "gaussian", "stages.1.size": [64, 64], "stages.0.out.channels": 2},
        ["inputs.low: has 2 channels, no multiple of the 3"],
    ),
    "picture axes": (
        {
            "stages": [
                {"name": "a", "role": "base", "kind": "empirical", "data": {"kind": "bundled"}, "out": {"size": [9]}}
            ]
        },
        ["data.kind: 'bundled' are pictures with 2 axes, but the output has l"],
    ),
    "sound channels": (
        {
            "stages": [
                {"name": "a", "role": "base", "kind": "empirical", "data": {"kind": "shapes"}, "out": {"size": [9]}}
            ]
        },
        ["out.channels: is 3, but 'shapes' has 1"],
    ),
    "size at pass 2": (
        {"stages.1.out": {"size": [32, 32], "scale": 2}, "stages.1.repeat.times": 2},
        ["low: at pass 2 of `repeat` expects 16x16", "but pass 1 gives 32x32. Drop out.size"],
    ),
}
