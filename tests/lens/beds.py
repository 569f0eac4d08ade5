"""Small exact cascades to look into, and their closed forms mode by mode."""

from __future__ import annotations

import gaussian_modes as reference
import numpy as np

from dynaxx.engine.cascade import Cascade
from dynaxx.engine.runtime import Runtime
from dynaxx.noise.process import make_process
from dynaxx.spec.files import parse
from dynaxx.spec.graph import nodes

DATA = {"kind": "bundled"}


def gaussian(sizes=(4, 8, 16), *, axes=1, channels=1, std=0.2, steps=6, kind="ddim", size=None):
    """A line of exact stages on one to three axes."""
    full = [sizes[-1]] * axes

    def stage(i):
        name, role = (("base", "base"), ("bridge", "bridge"), ("refine", "refine"))[i]
        low = {
            "low": {"from": ("base", "bridge")[i - 1], "resize": "fourier", "noise": {"std": std, "train_std": [0, 1]}}
        }
        return {
            "name": name, "role": role, "kind": "gaussian", "size": size or full, "exponent": 2.0, "std": 0.5,
            "solver": {"kind": kind, "steps": steps}, "out": {"channels": channels, "size": [sizes[i]] * axes},
            **({"inputs": low} if i else {}),
        }  # fmt: skip

    return Cascade.from_spec(
        parse({"name": "exact", "stages": [stage(i) for i in range(len(sizes))]}), runtime=Runtime(batch_size=4096)
    )


def empirical(sizes=(8, 16), *, text=True, std=0.1, steps=6):
    """A line of exact stages over the bundled pictures."""

    def stage(i):
        name, role = (("base", "base"), ("bridge", "bridge"))[i]
        low = {"low": {"from": "base", "noise": {"std": std, "train_std": [0, 1]}}}
        return {
            "name": name, "role": role, "kind": "empirical", "data": DATA, "solver": {"steps": steps},
            "out": {"size": [sizes[i]] * 2}, **({"inputs": low} if i else {}),
        }  # fmt: skip

    asked = {"condition": {"text": {}}} if text else {}
    return Cascade.from_spec(parse({"name": "pictures", "stages": [stage(i) for i in range(len(sizes))], **asked}))


def affine(node):
    """Of one node on one axis: the gains of its start noise and of its mean, and the trust in its low input."""
    size = node.grid.size
    levels = make_process(node.stage.process, node.grid).levels(node.stage.solver.steps)
    prior = reference.power(node.stage, size)
    kalman, var = np.zeros(size), prior
    if "low" in node.inputs:
        edge, source = node.inputs["low"].edge, node.inputs["low"].grid.size
        band = reference.band(size, source)
        kalman = np.where(band & (prior > 0), prior / np.maximum(prior + edge.std**2, 1e-30), 0.0)
        var = prior * (1 - kalman)
    gains = reference.gains(levels, var, node.stage.solver.kind)
    return gains.noise * levels[0].sigma, gains.mean, kalman


def mode_power(cascade, true=()):
    """The variance of every mode of every node's answers, where the nodes in `true` are the truth itself."""
    found = {}
    for node in nodes(cascade.spec):
        size = node.grid.size
        if node.name in true:
            found[node.name] = reference.power(node.stage, size)
            continue
        start, mean, kalman = affine(node)
        arriving = np.zeros(size)
        if "low" in node.inputs:
            low = found[node.inputs["low"].parents[0]].astype(complex)
            arriving = reference.place(low, size).real + node.inputs["low"].edge.std ** 2
        found[node.name] = np.abs(start) ** 2 + np.abs(mean * kalman) ** 2 * arriving
    return found
