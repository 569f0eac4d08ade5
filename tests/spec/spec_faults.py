"""Cascades with one fault each, and what the message about it says."""

from __future__ import annotations

from typing import Any

TWO = ["base", "other"]
LOW = "stages.1.inputs.low"
# Each row: what is set where in the linear cascade (base, bridge, refine), and what the message says.
BAD: dict[str, tuple[dict[str, Any], list[str]]] = {
    "unknown key": ({"stages.2.solver.stepz": 3}, ["stages.2 (refine).solver.stepz", "Did you mean 'steps'?"]),
    "unknown top key": ({"stagez": 3}, ["stagez: the key 'stagez' is unknown", "Did you mean 'stages'?"]),
    "unknown kind": ({"stages.0.process.kind": "cosin"}, ["stages.0 (base).process.kind", "'cosin'", "'cosine'?"]),
    "unknown stage kind": ({"stages.0.kind": "gausian"}, ["stages.0 (base).kind", "Known kinds: diffusion, gaussian"]),
    "kind no text": ({"stages.0.kind": ["x"]}, ["stages.0 (base).kind", "is unknown"]),
    "section no mapping": ({"stages.0.process": "karras"}, ["process: expects a mapping, but", "{kind: karras}"]),
    "missing key": ({"stages.0.name": 3, "stages.1": {"name": "b"}}, ["stages.1 (b).role: is missing", "Add `role"]),
    "bad name": ({"stages.0.name": "Base One"}, ["stages.0 (Base One).name", "'Base One' is no name", "lower-case"]),
    "no number": ({"stages.0.solver.steps": "many"}, ["steps: expects a whole number, but got 'many'", "say 8"]),
    "fraction": ({"stages.0.solver.steps": 2.5}, ["steps: expects a whole number, but got 2.5", "Leave out"]),
    "below bound": ({"stages.0.solver.steps": 0}, ["steps: expects at least 1, but got 0. Give at least 1"]),
    "above bound": ({"stages.0.solver.eta": 2}, ["eta: expects at most 1, but got 2"]),
    "not finite": ({"stages.0.solver.guidance": float("inf")}, ["guidance: expects a finite number", "got inf"]),
    "no choice": ({"stages.0.solver.clip": "statik"}, ["clip: expects one of", "'static'", "Did you mean 'static'?"]),
    "no list": ({"stages.0.out.size": 16}, ["out.size: expects a list, but got 16", "in brackets"]),
    "too many sizes": ({"stages.0.out.size": [1, 2, 3, 4]}, ["expects at most 3 entries, but got [1, 2, 3, 4]"]),
    "no stages": ({"stages": []}, ["stages: expects at least 1 entries"]),
    "wrong version": ({"version": 2}, ["version: expects 1, but got 2. Write 1."]),
    "said twice": ({"stages.1.from": "base"}, ["stages.1 (bridge)", "say the same thing twice", "Keep one"]),
    "empty range": ({f"{LOW}.noise.train_std": [1, 0.5]}, ["train_std [1, 0.5] is empty", "low first"]),
    "empty interval": ({"stages.0.solver.guidance": {"interval": [2, 1]}}, ["interval [2, 1] is empty"]),
    "backward karras": ({"stages.0.process": {"kind": "karras", "std_min": 99}}, ["std_min 99 must lie below"]),
    "backward sigmoid": ({"stages.0.process": {"kind": "sigmoid", "start": 4}}, ["start 4 must lie below end 3"]),
    "backward betas": (
        {"stages.0.process": {"kind": "ddpm-linear", "beta_start": 0.5}}, ["beta_start 0.5 must lie below"]
    ),
    "backward data": ({"data": {"kind": "fields", "path": "x", "range": [1, 0]}}, ["data.", "range [1, 0] is empty"]),
    "inputs no mapping": ({"stages.2.inputs": "base"}, ["stages.2 (refine).inputs: expects a mapping, but got 'base'"]),
    "duplicate name": ({"stages.2.name": "bridge"}, ["stages.2 (bridge).name", "also the name of stages.1"]),
    "reserved name": ({"stages.2.name": "input"}, ["stages.2 (input).name", "reserved"]),
    "unknown parent": ({"stages.2.from": "brigde"}, ["inputs.low.from: 'brigde' is unknown", "'bridge'?"]),
    "unknown input": ({"stages.2.from": "input.image"}, ["'input.image' is unknown", "Declare it under `inputs`"]),
    "self": ({"stages.2.from": "refine"}, ["'refine' reads itself", "Use `repeat`"]),
    "cycle": ({f"{LOW}.from": "refine"}, ["'bridge' reads 'refine' reads 'bridge': a cycle", "Cut one"]),
    "no low": ({"stages.1.inputs": {}}, ["inputs.low: is missing: a bridge stage", "role: base"]),
    "unused input": ({"inputs.image.size": [8, 8]}, ["inputs.image: is declared, but no stage reads", "remove it"]),
    "unused codec": ({"codecs.vae.load": "x"}, ["codecs.vae: is declared, but no stage works in its space"]),
    "no merge": ({f"{LOW}.from": TWO}, ["low.merge: is missing, with 2 parents", "concat, mean"]),
    "idle merge": ({f"{LOW}.merge": "mean"}, ["low.merge: is 'mean', but there is one parent"]),
    "parent twice": ({f"{LOW}.from": ["base", "base"], f"{LOW}.merge": "mean"}, ["from: names a parent twice"]),
    "idle weights": ({f"{LOW}.weights": [1]}, ["low.weights: are given, but merge is None"]),
    "no weights": ({f"{LOW}.from": TWO, f"{LOW}.merge": "weighted"}, ["low.weights: are missing", "one per parent"]),
    "few weights": (
        {f"{LOW}.from": TWO, f"{LOW}.merge": "weighted", f"{LOW}.weights": [1]}, ["has 1 numbers for 2 parents"]
    ),
    "weights to 0": (
        {f"{LOW}.from": TWO, f"{LOW}.merge": "weighted", f"{LOW}.weights": [1, -1]}, ["[1.0, -1.0] add up to 0"]
    ),
    "idle mask": ({f"{LOW}.mask": "input.m"}, ["low.mask: is given, but merge is None"]),
    "no mask": ({f"{LOW}.from": TWO, f"{LOW}.merge": "mask"}, ["low.mask: is missing", "input.mask"]),
    "mask from stage": (
        {f"{LOW}.from": TWO, f"{LOW}.merge": "mask", f"{LOW}.mask": "base"}, ["low.mask: 'base' is no user input"]
    ),
    "mask channels": (
        {
            f"{LOW}.from": TWO, f"{LOW}.merge": "mask", f"{LOW}.mask": "input.m",
            "inputs.m": {"channels": 2, "size": [16, 16]},
        },
        ["low.mask: has 2 channels, but what it blends has 3"],
    ),
    "idle cutoff": ({f"{LOW}.cutoff": 0.5}, ["low.cutoff: is given, but merge is None"]),
    "no cutoff": ({f"{LOW}.from": TWO, f"{LOW}.merge": "bands"}, ["low.cutoff: is missing", "Nyquist"]),
    "three bands": (
        {f"{LOW}.from": [*TWO, "third"], f"{LOW}.merge": "bands", f"{LOW}.cutoff": 0.5}, ["joins two"]
    ),
    "merged channels": (
        {f"{LOW}.from": TWO, f"{LOW}.merge": "mean", "stages.3.out.channels": 1},
        ["low.merge: is 'mean' over different channels: 'base' has 3, 'other' has 1"],
    ),
    "unknown codec": ({"stages.0.out.space": "vea"}, ["out.space: names the codec 'vea'", "Declare it under `codecs`"]),
    "codec channels": (
        {"codecs.vae.load": "x", "stages.0.out.space": "vae"}, ["out.channels: is 3, but codec 'vae' has 4"]
    ),
    "kernel axes": ({f"{LOW}.resize": {"t": "area"}}, ["low.resize: names axis 't', but the grid has the axes h, w"]),
    "axis twice": ({"stages.1.out.scale": {"hw": 2, "h": 3}}, ["out.scale: names an axis twice (hhw)"]),
    "scale axes": ({"stages.1.out.scale": {"l": 2}}, ["out.scale: names axis 'l'"]),
    "broken scale": ({"stages.1.out.scale": 1.3}, ["takes 16x16 to 20.8x20.8", "no whole number"]),
    "scale of nothing": ({"stages.0.out.scale": 2}, ["stages.0 (base).out.scale", "no input to scale"]),
    "shrinks": ({"stages.1.out.scale": 0.5}, ["out: gives 8x8, smaller than its low input's 16x16"]),
    "size over scale": (
        {"stages.2.out": {"size": [256, 256], "scale": 2}},
        ["stages.2 (refine).inputs.low: expects 128x128", "'bridge' gives 32x32", "add a bridge"],
    ),
    "rank": ({"stages.1.out": {"size": [64]}}, ["low: has the axes h, w from 'base', but the output l"]),
    "idle hand_std": ({f"{LOW}.hand_std": 1}, ["low.hand_std: is 1, but the hand-over is clean"]),
    "start at nothing": (
        {f"{LOW}.via": "start", f"{LOW}.noise.std": 0, "stages.1.out": {}}, ["noise.std: is 0", "nothing to denoise"]
    ),
    "start on other grid": ({f"{LOW}.via": "start"}, ["starts at 3x16x16, but the stage answers on 3x32x32"]),
    "start without process": (
        {"stages.1.kind": "regression", f"{LOW}.via": "start"}, ["'regression' stage does not denoise"]
    ),
    "truncated start": ({"stages.2.from": None, "stages.2.inputs.low": {
        "from": "bridge", "via": "start", "noise": {"std": 0.1}}}, ["a truncated process starts at its low input"]),
    "truncated alone": ({"stages.0.process": {"kind": "truncated"}}, ["process.kind: is 'truncated'", "there is none"]),
    "truncated channels": ({"stages.2.out.channels": 1}, ["process.kind: is 'truncated' from 3 channels to 1"]),
    "edm": ({"stages.0.prediction": "edm"}, ["prediction: is 'edm', but the process is 'cosine'", "karras"]),
    "u": ({"stages.0.prediction": "u"}, ["prediction: is 'u', but the process is 'cosine'", "flow"]),
    "eps truncated": ({"stages.2.prediction": "eps"}, ["prediction: is 'eps'", "Predict x, v or u"]),
    "outside range": ({f"{LOW}.noise.std": 0.9}, ["low.noise.std: 0.9 lies outside train_std [0, 0.6]"]),
    "blur outside": ({f"{LOW}.blur": {"std": 3, "train_std": [0, 1]}}, ["low.blur.std: 3 lies outside"]),
    "repeat nothing": ({"stages.0.repeat.times": 2}, ["stages.0 (base).repeat: needs a low input"]),
    "repeat levels": ({"stages.1.repeat": {"times": 2, "std": [0.1]}}, ["repeat.std: has 1 levels for 2 passes"]),
    "repeat no noise": ({"stages.2.repeat": {"times": 1, "std": [0.1]}}, ["repeat.std: sets levels, but no noise"]),
    "repeat outside": ({"stages.1.repeat": {"times": 2, "std": [0.1, 3]}}, ["repeat.std: [0.1, 3.0] leaves train_std"]),
    "repeat channels": ({"stages.1.repeat.times": 2, "stages.1.out.channels": 1}, ["feeds 1 channels back"]),
    "guidance": ({"stages.0.solver.guidance": 3}, ["solver.guidance: is 3, but the cascade takes no condition"]),
    "attention": ({"stages.0.network.attention": [7], "stages.0.network.kind": "unet"}, ["names resolution 7"]),
    "generated": ({"stages.0.train.generated": 0.5}, ["train.generated: is 0.5, but no stage is upstream"]),
    "gaussian size": ({"stages.1.kind": "gaussian", "stages.1.size": [16, 16]}, ["size: [16, 16] does not hold"]),
    "reference": ({"stages.0.process": {"kind": "cosine", "reference": [64]}}, ["process.reference: has 1 axes"]),
    "crop": ({"stages.0.train.crop": [32, 32]}, ["train.crop: [32, 32] does not fit into [16, 16]"]),
}  # fmt: skip
