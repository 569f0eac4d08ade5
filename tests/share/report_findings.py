"""Findings as the lens writes them, made up: a bridge whose level is set wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

from dynaxx.share.png import encode_png

STAGES = ("base", "bridge", "refine")
SIZES = {"base": 16, "bridge": 32, "refine": 64}


def of(value: float, half: float, n: int = 128) -> dict[str, Any]:
    return {"value": value, "low": value - half, "high": value + half, "n": n}


def stage(name: str, level: str, share: float, own: float, carry: float | None) -> dict[str, Any]:
    side = SIZES[name]
    return {
        "name": name,
        "role": name,
        "kind": "diffusion",
        "grid": f"3x{side}x{side}",
        "node": name,
        "std": {} if name == "base" else {"low": 0.6 if name == "bridge" else 0.1},
        "steps": 16,
        "share": of(share, 0.004),
        "share_percent": of(100 * share / 0.061, 7),
        "own": of(own, 0.003),
        "gap": None if name == "base" else of(0.004, 0.002),
        "carry": None if carry is None else of(carry, 0.2),
        "level": level,
        "says": f"Most of what is wrong {'does not arise' if level == 'healthy' else 'arises'} here.",
    }


def finding(identity: str, level: str, advice: str | None = None, **more: Any) -> dict[str, Any]:
    probe, where = identity.split(".")
    return {
        "id": identity,
        "probe": probe,
        "stage": where,
        "name": probe.replace("_", " "),
        **of(0.41, 0.05),
        "unit": "",
        "reference": 0.2,
        "least_effect": 0.05,
        "level": level,
        "p": 0.0004 if level == "fault" else 0.31,
        "kind": None,
        "says": "The level is three times what suits this stage.",
        "advice": advice,
        "gain": of(0.03, 0.008) if advice else None,
        "change": {f"{where}.inputs.low.noise.std": 0.2} if advice else None,
        **more,
    }


def curve(probe: str, where: str, *, scale: str = "linear", marks: bool = False) -> dict[str, Any]:
    x = [0.05, 0.1, 0.2, 0.4, 0.6, 0.8]
    y = [0.052, 0.041, 0.031, 0.038, 0.061, 0.09]
    series = {
        "name": "measured",
        "role": "measured",
        "x": x,
        "y": y,
        "low": [v - 0.006 for v in y],
        "high": [v + 0.006 for v in y],
    }
    healthy = {
        "name": "healthy",
        "role": "healthy",
        "x": x,
        "y": [0.03 + 0.01 * v for v in x],
        "low": None,
        "high": None,
    }
    return {
        "id": f"{where}.{probe}",
        "probe": probe,
        "stage": where,
        "title": f"{where}",
        "says": "What was measured, in words.",
        "x": {"label": "noise on the input", "unit": "std", "scale": scale, "ticks": None},
        "y": {"label": "distance to the reference", "unit": "", "scale": "linear"},
        "series": [series, healthy],
        "marks": [
            {"x": 0.6, "label": "now", "low": None, "high": None, "role": "now"},
            {"x": 0.2, "label": "lowest", "low": 0.15, "high": 0.28, "role": "minimum"},
        ]
        if marks
        else [],
    }


def categories(where: str) -> dict[str, Any]:
    names = ["blur", "noise", "compression", "colour cast", "missing patch", "shift"]
    y = [0.8, 0.6, 0.42, 0.05, -0.2, 0.0]
    made = [
        {
            "name": name,
            "role": role,
            "x": names,
            "y": [v + d for v in y],
            "low": [v + d - 0.1 for v in y],
            "high": [v + d + 0.1 for v in y],
        }
        for name, role, d in (("measured", "measured", 0.0), ("exact stage", "healthy", 0.1))
    ]
    return {
        "id": f"{where}.restoration",
        "probe": "restoration",
        "stage": where,
        "title": where,
        "says": "Noise is taken off, a cast is not.",
        "x": {"label": "fault", "unit": "", "scale": "category", "ticks": None},
        "y": {"label": "share repaired", "unit": "", "scale": "linear"},
        "series": made,
        "marks": [],
    }


def picture(name: str, seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    side = SIZES[name]
    y, x = np.mgrid[0:side, 0:side] / side - 0.5
    disc = np.clip((0.36 - np.hypot(x, y)) * side / 2, 0, 1)[..., None]
    return encode_png((255 * (1 - disc) + disc * rng.integers(30, 230, 3)).astype(np.uint8))


def made_up(samples: int = 2) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Findings, and the pictures that they name."""
    shown = [
        {
            "id": i,
            "prompt": f"pizza {i}",
            "score": 1.0 - 0.1 * i,
            "says": "Among the farthest from any reference.",
            "frames": [
                {"stage": s, "file": f"pictures/{i:06d}.{s}.png", "truth": f"pictures/{i:06d}.{s}.truth.png"}
                for s in STAGES
            ],
        }
        for i in range(samples)
    ]
    files = {
        frame[key]: picture(frame["stage"], 2 * sample["id"] + (key == "truth"))
        for sample in shown
        for frame in sample["frames"]
        for key in ("file", "truth")
    }
    findings = {
        "schema": "dynaxx.findings/1",
        "cascade": {
            "name": "emoji-64",
            "run_id": "ab12cd34",
            "from": "runs/emoji",
            "yaml": "version: 1\nname: emoji-64\n",
        },
        "verdict": {
            "level": "fault",
            "stage": "bridge",
            "kind": "level-off",
            "headline": "The bridge is at fault: the noise put on its input is too strong.",
            "words": [
                "About two thirds of the error of the finished pictures arises in the bridge.",
                "It sees its input through noise of std 0.6, where 0.2 would serve it best.",
                "The base and the refine stage are healthy.",
            ],
        },
        "score": of(0.061, 0.006),
        "floor": of(0.0004, 0.002),
        "distance": {
            "name": "MMD\u00b2 on built-in features",
            "unit": "",
            "says": "0 for pictures that cannot be told from the reference; larger is worse.",
        },
        "stages": [
            stage("base", "healthy", 0.012, 0.011, None),
            stage("bridge", "fault", 0.047, 0.043, 1.4),
            stage("refine", "healthy", -0.003, 0.002, 0.6),
        ],
        "findings": [
            finding("gain.base", "healthy"),
            finding("restoration.refine", "watch"),
            finding("level_sweep.bridge", "fault", "Lower the noise on the bridge's input from 0.6 to 0.2."),
            finding("consistency.refine", "unknown", low=None, high=None, reference=None, p=None),
        ],
        "curves": [
            curve("gain", "bridge"),
            curve("gain", "refine"),
            curve("spectrum", "refine", scale="log"),
            curve("level_sweep", "bridge", marks=True),
            categories("bridge"),
            curve("something_new", "base"),
        ],
        "error_table": {
            "stages": list(STAGES),
            "rows": [
                [of(0.012, 0.004), of(0.05, 0.005), of(0.061, 0.006)],
                [of(0.0001, 0.002), of(0.043, 0.005), of(0.049, 0.006)],
                [None, of(0.0, 0.002), of(0.002, 0.003)],
                [None, None, of(0.0004, 0.002)],
            ],
        },
        "samples": shown,
        "applied": {
            "changes": [{"path": "bridge.inputs.low.noise.std", "was": 0.6, "now": 0.2}],
            "before": of(0.061, 0.006),
            "after": of(0.017, 0.004),
            "recovered": of(0.86, 0.08),
            "file": "applied.yaml",
        },
        "method": {
            "n": 128,
            "seeds": [0],
            "budget": "quick",
            "confidence": 0.95,
            "family": "Holm over 12 findings",
            "features": "builtin-1",
            "kernel": "gaussian, width 21.3",
            "data": "bundled, 128 of 452",
            "nfe": 123456,
            "latency_s": 83.2,
            "device": "cpu",
            "version": "dynaxx 0.1",
            "command": "dynaxx lens runs/emoji --data bundled --out report",
            "probes": [
                {"name": "error_table", "nfe": 9000, "latency_s": 31.0, "cached": False, "left_out": None},
                {"name": "level_sweep", "nfe": 90000, "latency_s": 50.1, "cached": True, "left_out": None},
                {"name": "flicker", "nfe": 0, "latency_s": None, "cached": False, "left_out": "pictures do not move"},
            ],
        },
    }
    return findings, files
