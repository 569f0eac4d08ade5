"""Cascades that the tests of the spec share: linear, parallel and recursive, on one to three axes."""

from __future__ import annotations

from typing import Any

SIZES = {1: [32], 2: [16, 16], 3: [4, 16, 16]}
"""A base size for each number of axes."""


def linear(rank: int = 2) -> dict[str, Any]:
    """Base, bridge, refine."""
    return {
        "name": "linear",
        "stages": [
            {"name": "base", "role": "base", "out": {"channels": 3, "size": SIZES[rank]}},
            {
                "name": "bridge", "role": "bridge", "out": {"scale": 2},
                "inputs": {"low": {"from": "base", "noise": {"train_std": [0.0, 0.6], "std": 0.1}}},
            },
            {"name": "refine", "role": "refine", "from": "bridge", "process": {"kind": "truncated"}},
        ],
    }  # fmt: skip


def parallel(rank: int = 2) -> dict[str, Any]:
    """Two bases merged by one bridge; the file names the bridge first."""
    return {
        "name": "parallel",
        "stages": [
            {"name": "join", "role": "bridge", "from": ["left", "right"], "merge": "concat", "out": {"scale": 2}},
            {"name": "left", "role": "base", "out": {"channels": 1, "size": SIZES[rank]}},
            {"name": "right", "role": "base", "out": {"channels": 2, "size": SIZES[rank]}},
        ],
    }


def recursive(rank: int = 2) -> dict[str, Any]:
    """A bridge applied three times, at falling levels."""
    return {
        "name": "recursive",
        "stages": [
            {"name": "base", "role": "base", "out": {"channels": 3, "size": SIZES[rank]}},
            {
                "name": "up", "role": "bridge", "out": {"scale": 2}, "repeat": {"times": 3, "std": [0.3, 0.2, 0.1]},
                "inputs": {"low": {"from": "base", "noise": {}}},
            },
            {"name": "last", "role": "refine", "from": "up"},
        ],
    }  # fmt: skip


def hand_over() -> dict[str, Any]:
    """A base that stops half-way and a refine stage that takes its state up."""
    return {
        "name": "hand-over",
        "stages": [
            {"name": "base", "role": "base", "out": {"size": [16, 16]}},
            {
                "name": "refine", "role": "refine",
                "inputs": {"low": {"from": "base", "via": "start", "hand": "noisy", "hand_std": 0.5}},
            },
        ],
    }  # fmt: skip


def changed(data: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The data with one place set, `stages.0.out.size`; missing mappings are made."""
    here: Any = data
    *keys, last = path.split(".")
    for key in keys:
        here = here[int(key)] if isinstance(here, list) else here.setdefault(key, {})
    here[int(last) if isinstance(here, list) else last] = value
    return data
