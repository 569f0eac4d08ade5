"""Hypothesis strategies: cascades that are right, and data that are wrong in every way."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

KERNELS = ["nearest", "area", "bilinear", "bicubic", "bicubic-antialias", "lanczos", "fourier"]
AXES = {1: ["l"], 2: ["h", "w"], 3: ["t", "hw"]}
ODD = [None, True, "1e5", "no", "2024-01-01", "~", "0x10", ".5"]
"""Values that YAML could read as something else."""
PICTURES = [{"kind": "shapes", "count": 3}, {"kind": "bundled"}]
LEVELS = st.floats(0, 0.5, allow_subnormal=False)


@st.composite
def edges(draw: st.DrawFn, rank: int, parents: list[str]) -> dict[str, Any]:
    """An edge from one parent, or from several of equal channels."""
    chosen = draw(st.lists(st.sampled_from(parents), min_size=1, max_size=3, unique=True))
    edge: dict[str, Any] = {"from": chosen[0] if len(chosen) == 1 else chosen}
    if len(chosen) > 1:
        edge |= draw(st.sampled_from([{"merge": "mean"}, {"merge": "weighted", "weights": [1] * len(chosen)}]))
    if len(chosen) == 2:
        edge |= draw(st.sampled_from([{}, {"merge": "bands", "weights": None, "cutoff": 0.5}]))
    if draw(st.booleans()):
        kernel = st.sampled_from(KERNELS)
        edge["resize"] = draw(kernel | st.dictionaries(st.sampled_from(AXES[rank]), kernel, max_size=1))
    if draw(st.booleans()):
        form = draw(st.sampled_from(["exploding", "preserving"]))
        edge["noise"] = {"train_std": [0.0, 0.5], "std": draw(LEVELS), "form": form, "told": draw(st.booleans())}
    if draw(st.booleans()):
        edge["blur"] = {"train_std": [0.0, 0.5], "std": draw(LEVELS)}
    return edge


@st.composite
def finishes(draw: st.DrawFn, above: str, *, noisy: bool) -> dict[str, Any]:
    """A stage on the grid of the one above that begins at its answer: made noisy, or handed over unfinished."""
    if noisy:
        return {"low": {"from": above, "via": "start", "hand": "noisy", "hand_std": draw(st.floats(0.1, 10))}}
    noise = {"std": draw(st.floats(0.1, 10)), "form": draw(st.sampled_from(["exploding", "preserving"]))}
    return {"low": {"from": above, "via": "start", "noise": noise}}


@st.composite
def kinds(draw: st.DrawFn, rank: int) -> dict[str, Any]:
    """A stage's kind with some of its settings."""
    kind = draw(st.sampled_from(["diffusion", "gaussian", "empirical", "regression", "gan", "pipeline", "custom"]))
    extra: dict[str, dict[str, Any]] = {
        "gaussian": {"size": [10**6] * rank, "exponent": draw(st.floats(0, 4))},
        "empirical": {"data": draw(st.sampled_from(PICTURES if rank == 2 else PICTURES[:1]))},
        "pipeline": {"load": "some/model", "call": {"eta": draw(LEVELS), "extra": ODD}},
        "custom": {"target": "package.module:Class", "options": {"a": {"b": [1, 2]}, "c": draw(st.text())}},
        "diffusion": {"train": {"steps": draw(st.integers(1, 10))}},
    }  # fmt: skip
    data = {"kind": kind, **extra.get(kind, {})}
    if kind in ("diffusion", "gaussian", "empirical") and draw(st.booleans()):
        process = draw(st.sampled_from(["cosine", "sigmoid", "ddpm-linear", "karras", "flow"]))
        data |= {"process": {"kind": process}, "solver": {"steps": draw(st.integers(1, 99)), "guidance": draw(LEVELS)}}
    return data


@st.composite
def ups(draw: st.DrawFn, rank: int, name: str, parents: list[str], channels: int) -> dict[str, Any]:
    """A bridge over some parents, applied once or several times, with a level for each pass or none."""
    out = draw(st.sampled_from([{}, {"scale": 2}, {"scale": dict.fromkeys(AXES[rank], 3)}]))
    stage = {"name": name, "role": "bridge", **draw(kinds(rank)), "out": {"channels": channels, **out}}
    stage["inputs"] = {"low": draw(edges(rank, parents))}
    if stage["kind"] == "gaussian":
        stage["inputs"]["low"].pop("blur", None)
    if draw(st.booleans()):
        times = draw(st.integers(1, 3))
        stage["repeat"] = {"times": times}
        if "noise" in stage["inputs"]["low"] and draw(st.booleans()):
            stage["repeat"]["std"] = draw(st.lists(LEVELS, min_size=times, max_size=times))
    if stage["kind"] in ("diffusion", "gaussian", "empirical") and draw(st.integers(0, 3)) == 0:
        stage["process"] = {"kind": "truncated", "start": draw(st.floats(0.1, 1)), "end": draw(st.floats(0, 0.05))}
    return stage


@st.composite
def own_signals(draw: st.DrawFn, parents: list[str], size: list[int], channels: int) -> tuple[Any, Any]:
    """The user's picture and mask, and a stage that blends the picture with what a parent gives."""
    declared = {"image": {"channels": channels, "size": size}, "mask": {"channels": 1, "size": size}}
    names = draw(st.permutations([parents[0], "input.image"]))
    edge = {"from": names, "merge": "mask", "mask": "input.mask"}
    return declared, {"name": "fill", "role": "bridge", "inputs": {"low": edge}, "out": {"channels": channels}}


@st.composite
def cascades(draw: st.DrawFn) -> dict[str, Any]:
    """A cascade that is right: up to three stages without inputs, then up to five that read what came before."""
    rank = draw(st.sampled_from([1, 2, 3]))
    size = draw(st.lists(st.integers(1, 9), min_size=rank, max_size=rank))
    channels = 1 if rank == 1 else 3
    roots = [f"base-{i}" for i in range(draw(st.integers(1, 3)))]
    bare = {"out": {"size": size, "channels": channels}}
    stages = [{"name": name, "role": "base", **draw(kinds(rank)), **bare} for name in roots]
    parents, inputs = roots, {}
    for i in range(draw(st.integers(0, 3))):
        stages.append(draw(ups(rank, f"up{i}", parents, channels)))
        parents = [f"up{i}"]
    if draw(st.booleans()):
        inputs, fill = draw(own_signals(parents, size, channels))
        stages.append(fill)
        parents = ["fill"]
    if draw(st.booleans()):
        noisy = parents == ["fill"] and draw(st.booleans())  # it denoises, once, and has no other reader
        end = {"name": "end", "role": "refine", "out": {"channels": channels}}
        stages.append(end | {"inputs": draw(finishes(parents[0], noisy=noisy))})
    order = draw(st.permutations(stages))
    asked = draw(st.sampled_from([{"text": {}}, {"label": {"classes": 3}}, {"field": {"channels": 1}, "text": {}}]))
    data = {"name": "drawn", "description": draw(st.text(max_size=20)), "condition": asked, "inputs": inputs}
    data |= {"stages": order}
    return draw(in_latent_space(data, channels)) if draw(st.integers(0, 3)) == 0 else data


@st.composite
def in_latent_space(draw: st.DrawFn, data: dict[str, Any], channels: int) -> dict[str, Any]:
    """The same cascade among the latents of a codec, but for masks."""
    codec = {"load": "some/vae", "channels": channels, "scale": draw(st.floats(0.1, 1))}
    for stage in data["stages"]:
        stage["out"] = stage["out"] | {"space": "vae"}
    if "image" in data["inputs"]:
        data["inputs"]["image"]["space"] = "vae"
    return data | {"codecs": {"vae": codec}}


WORDS = st.sampled_from(
    ["name", "kind", "from", "inputs", "low", "out", "size", "scale", "stages", "role", "base", "refine", "diffusion"]
)
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=8) | st.just(10**400)
)  # fmt: skip
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    """A right cascade with one to three places set to anything, removed, or joined by a strange key."""
    data = copy.deepcopy(draw(cascades()))  # what they share must stay right
    for _ in range(draw(st.integers(1, 3))):
        _mutate(draw, data)
    return data


def _mutate(draw: st.DrawFn, here: Any) -> None:
    while True:
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        if not keys:
            return
        key = draw(st.sampled_from(keys))
        if isinstance(here[key], (dict, list)) and here[key] and draw(st.integers(0, 3)):
            here = here[key]
            continue
        match draw(st.integers(0, 2)):
            case 0:
                here[key] = draw(ANYTHING)
            case 1:
                del here[key]
            case _ if isinstance(here, dict):
                here[draw(WORDS | st.text(max_size=5))] = draw(ANYTHING)
        return
