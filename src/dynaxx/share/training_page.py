"""The curves of a training as one page: each stage's distance to the truth, detail, nearness, and loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from dynaxx.share.embed import Embedded, embed
from dynaxx.share.shelf import shelf
from dynaxx.store.atomic import write_text
from dynaxx.store.lines import Line, read_lines

PAGE = "index.html"
MEASURED = {
    "mmd2": (
        "Distance to the truth",
        "MMD\u00b2 on built-in features",
        "",
        "0 for what cannot be told from the truth.",
    ),
    "detail_db": (
        "Finest detail",
        "power over the truth's",
        "dB",
        "Below 0 detail is missing, above 0 there is too much.",
    ),
    "psnr_db": ("Nearness to the truth", "PSNR", "dB", "Of each answer to its own truth; higher is nearer."),
}
LOSSES = {"loss": "all levels", "loss_fine": "little noise", "loss_middle": "middle", "loss_coarse": "much noise"}


@final
@dataclass(frozen=True)
class StageCurves:
    """What is shown of one stage."""

    name: str
    says: str
    curves: tuple[dict[str, Any], ...]
    picture: Embedded | None


def write_training_page(folder: Path, stages: Sequence[str], *, name: str) -> Path | None:
    """Write `training/index.html` of a training's folder from its stages' logs; None where there is no log yet."""
    found = [stage for stage in (_stage(folder / "training" / stage, stage) for stage in stages) if stage]
    if not found:
        return None
    page = folder / "training" / PAGE
    write_text(page, shelf().get_template("training.html").render(name=name, stages=found))
    return page


def _stage(notes: Path, name: str) -> StageCurves | None:
    log, validation = read_lines(notes / "log.jsonl"), read_lines(notes / "validation.jsonl")
    curves = [_measured(key, validation) for key in MEASURED] + [_loss(log)]
    shown = tuple(curve for curve in curves if curve["series"])
    pictures = sorted((notes / "samples").glob("step-*.png"))
    picture = embed(pictures[-1].read_bytes()) if pictures else None
    return StageCurves(name, _says(log, validation), shown, picture) if shown else None


def _says(log: Sequence[Line], validation: Sequence[Line]) -> str:
    last = log[-1] if log else {}
    done = f"{last['step']} of {last['steps']} steps. " if last else ""
    if not validation:
        return done + "Too few or too equal samples to measure it."
    of = {"withheld": "that were kept out of its training", "used": "that it learned from"}[validation[-1]["of"]]
    return f"{done}Measured on {validation[-1]['n']} samples {of}; the shaded band is the 95% interval."


def _measured(key: str, lines: Sequence[Line]) -> dict[str, Any]:
    title, label, unit, says = MEASURED[key]
    have = [line for line in lines if line.get(key) is not None]
    series = {
        "name": label, "role": "measured", "x": [line["step"] for line in have], "y": [line[key] for line in have],
        "low": [line[f"{key}_low"] for line in have], "high": [line[f"{key}_high"] for line in have],
    }  # fmt: skip
    return _curve(title, says, {"label": label, "unit": unit}, [series] if have else [])


def _loss(lines: Sequence[Line]) -> dict[str, Any]:
    made = []
    for key, label in LOSSES.items():
        have = [line for line in lines if line.get(key) is not None]
        role = "measured" if key == "loss" else "other"
        series = {"name": label, "role": role, "x": [line["step"] for line in have], "y": [line[key] for line in have]}
        made += [series] if have else []
    return _curve("Loss", "By the level of noise too.", {"label": "loss", "unit": "", "scale": "log"}, made)


def _curve(title: str, says: str, upright: dict[str, Any], series: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "title": title,
        "says": says,
        "x": {"label": "step", "unit": ""},
        "y": upright,
        "series": series,
        "marks": [],
    }
