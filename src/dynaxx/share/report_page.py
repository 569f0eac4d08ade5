"""The lens's report: one page that says which stage is at fault, shows it, and says how that was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dynaxx.errors import DataError
from dynaxx.share.embed import Embedded, embed
from dynaxx.share.numbers import count
from dynaxx.share.page import duration
from dynaxx.share.ranked import LEVELS, ranked
from dynaxx.share.shelf import shelf, words

SCHEMA = "dynaxx.findings/1"
LARGEST_PAGE = 6_000_000
"""Bytes of a page; what is shown of the worst samples ends before."""
READINGS = {
    "level_sweep": (
        "Is the noise on its input right?",
        "The error of the result as the level of noise put on a stage's input is changed; lower is better. "
        "The stage is best run where the curve is lowest.",
    ),
    "guidance": ("Is guidance right?", "The error of the result as guidance is changed; lower is better."),
    "steps": (
        "Does it take too many steps?",
        "How fine detail changes as the stage takes more steps, or starts higher.",
    ),
    "gain": (
        "What becomes of a small change of its input?",
        "The input is changed a little in one band of frequencies; the curve is how much of it appears in the output. "
        "The dashed line is the ideal: a stage trusts its input less where the noise put on it hides it.",
    ),
    "spectrum": (
        "Is detail missing, or too much of it?",
        "Power by frequency, coarse on the left, fine on the right, against the reference.",
    ),
    "ownership": (
        "Which stage adds which detail?",
        "The power that each stage adds to what it was given, by frequency.",
    ),
    "restoration": (
        "Does a stage repair a faulty input?",
        "1: what was wrong is gone; 0: it was passed on; below 0: made worse.",
    ),
    "consistency": ("Does a stage keep to its input?", "Its output, shrunk again, against the input it was given."),
    "smoothing": ("Is detail smoothed away?", "Fine detail of each stage's output against the reference."),
    "flicker": ("Does it flicker?", "Power in time above a cut-off, against the reference."),
}
"""Titles of the plots of each probe, and how to read them, in the order of the page."""


@dataclass(frozen=True)
class Bar:
    """The bar of a share: where it starts, how long it is, where zero stands; all in percent."""

    left: float
    width: float
    zero: float
    less: bool


@dataclass(frozen=True)
class Frame:
    """A sample at a stage: what was made, and what is drawn over it by the slider."""

    stage: str
    picture: Embedded
    over: Embedded | None


@dataclass(frozen=True)
class Row:
    """A sample at every stage."""

    id: int
    prompt: str
    says: str
    frames: tuple[Frame, ...]


@dataclass(frozen=True)
class Group:
    """The curves of one probe."""

    title: str
    reading: str
    curves: tuple[Mapping[str, Any], ...]


def render_report(findings: Mapping[str, Any], pictures: Mapping[str, bytes]) -> str:
    """The page of `findings.json` and its pictures (PNG files by the name they have there), at most 6 MB.

    Raises:
        DataError: if the findings are of another schema.
    """
    if findings.get("schema") != SCHEMA:
        got = f"are of schema {findings.get('schema')!r}, not {SCHEMA!r}."
        raise DataError("findings", got, "Measure again with `dynaxx lens`.")
    rows = [_row(sample, pictures) for sample in findings["samples"]]
    while True:
        html = _page(findings, rows)
        if len(html.encode()) <= LARGEST_PAGE or not rows:
            return html
        rows.pop()  # the least bad one


def _page(findings: Mapping[str, Any], rows: Sequence[Row]) -> str:
    return (
        shelf()
        .get_template("report.html")
        .render(
            f=findings,
            levels=LEVELS,
            bars=share_bars(findings["stages"]),
            rows=rows,
            wiped=_wiped(rows, with_truth=_with_truth(findings)),
            with_truth=_with_truth(findings),
            groups=grouped(findings["curves"]),
            findings=ranked(findings["findings"]),
            advised=[finding for finding in ranked(findings["findings"]) if finding["advice"]],
            facts=_facts(findings),
        )
    )


def share_bars(stages: Sequence[Mapping[str, Any]]) -> list[Bar | None]:
    """A bar for each stage's share, all on one scale; none where it was not measured."""
    shares = [(stage["share"] or {}).get("value") for stage in stages]
    known = [share for share in shares if share is not None]
    low, high = min([0.0, *known]), max([0.0, *known])
    if not high - low:
        return [None] * len(stages)
    at = [None if share is None else 100 * (share - low) / (high - low) for share in shares]
    zero = 100 * -low / (high - low)
    return [
        None if end is None else Bar(round(min(zero, end), 2), round(abs(end - zero), 2), round(zero, 2), end < zero)
        for end in at
    ]


def grouped(curves: Sequence[Mapping[str, Any]]) -> list[Group]:
    """The curves by probe: known probes in the order of the page, others after them under their own name."""
    probes = list(dict.fromkeys([*READINGS, *(curve["probe"] for curve in curves)]))
    groups = []
    for probe in probes:
        own = tuple(curve for curve in curves if curve["probe"] == probe and curve["series"])
        title, reading = READINGS.get(probe, (words(probe).capitalize(), ""))
        if own:
            groups.append(Group(title, reading, own))
    return groups


def _row(sample: Mapping[str, Any], pictures: Mapping[str, bytes]) -> Row:
    """Over each picture lies the truth; where there is none, what the stage before it made."""
    frames, before = [], None
    for frame in sample["frames"]:
        picture = embed(pictures[frame["file"]])
        over = embed(pictures[frame["truth"]]) if frame.get("truth") else before
        frames.append(Frame(frame["stage"], picture, over))
        before = picture if not frame.get("truth") else None
    return Row(sample["id"], sample["prompt"], sample["says"], tuple(frames))


def _with_truth(findings: Mapping[str, Any]) -> bool:
    return any(frame.get("truth") for sample in findings["samples"] for frame in sample["frames"])


def _wiped(rows: Sequence[Row], *, with_truth: bool) -> str:
    if not any(frame.over for row in rows for frame in row.frames):
        return ""
    return "what it should have been" if with_truth else "what the stage was given"


def _facts(findings: Mapping[str, Any]) -> list[tuple[str, str]]:
    method, cascade = findings["method"], findings["cascade"]
    facts = {
        "samples": count(method["n"]),
        "seeds": ", ".join(map(str, method["seeds"])),
        "reference": method["data"] or "none: only what needs no reference was measured",
        "distance": findings["distance"]["name"],
        "features": method["features"],
        "kernel": method["kernel"],
        "intervals": f"{100 * method['confidence']:g}%, paired; alarms: {method['family']}",
        "budget": str(method["budget"]),
        "cost": f"{count(method['nfe'])} network evaluations, {duration(method['latency_s'])} on {method['device']}",
        "cascade": ", ".join(filter(None, [cascade["from"], f"run id {cascade['run_id']}"])),
        "version": method["version"],
        "command": method.get("command", ""),
    }
    return [(name, value) for name, value in facts.items() if value]
