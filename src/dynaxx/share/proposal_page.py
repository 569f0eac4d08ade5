"""A proposal as one page: the cascade for a budget, its stages as bars, what else there is, reasons for all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from dynaxx.metrics.front import front
from dynaxx.share.amounts import GIB, between, seconds, size_of
from dynaxx.share.lanes import lanes
from dynaxx.share.numbers import figure
from dynaxx.share.shelf import shelf

HOUR_S = 3600.0
BOUNDS = {
    "latency_s": "s a sample",
    "memory_gib": "GiB",
    "train_hours": "h of training",
    "train_cost_usd": "dollars of training",
}
FRONT = ("sizes", "width", "weights", "a sample", "memory", "training")


def render_proposal(proposal: Mapping[str, Any]) -> str:
    """The page as one self-contained HTML document, from what `dynaxx plan --target --json` says."""
    best, single = proposal["best"], proposal["single"]
    like = [row for row in proposal["front"] if row["pace"] == best["pace"]]
    shown = [("proposed", best), ("single stage", single), *(("", row) for row in like if row not in (best, single))]
    return shelf().get_template("proposal.html").render(
        proposal=proposal, headline=_headline(best), asked=_asked(proposal), tiles=_tiles(best, single),
        lanes=lanes(best["stages"], timed=True), curve=_curve(proposal, like),
        rows=[(said or "front", *_row(row)) for said, row in shown], heads=("", *FRONT),
        reasons=[(reason["choice"], reason["why"], reason["source"]) for reason in proposal["reasons"]],
    )  # fmt: skip


def _headline(best: Mapping[str, Any]) -> str:
    count = len(best["stages"])
    return f"{count} stage{'s' if count > 1 else ''}: {seconds(best['latency_s']['value'])} and {_gib(best)}"


def _asked(proposal: Mapping[str, Any]) -> str:
    asked = proposal["asked"]
    bounds = [f"{figure(most)} {BOUNDS[name]}" for name, most in asked["budget"].items()]
    inside = f"within {', '.join(bounds)}" if bounds else "with no bounds"
    together = f", trained on {asked['devices']} of them" if asked["devices"] > 1 else ""
    return f"{asked['size']}, {asked['quality']} quality, on {asked['device']}{together}, {inside}"


def _tiles(best: Mapping[str, Any], single: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    hours = _seconds_of(best["train_hours"])
    times = single["latency_s"]["value"] / best["latency_s"]["value"]
    tiles = [
        ("a sample", seconds(best["latency_s"]["value"]), _said(best)),
        ("memory", _gib(best), f"weights {best['placement'].replace('-', ' ')}"),
        ("training", seconds(hours["value"]), between(hours)),
        ("a single stage", f"{figure(times, 2)} times", "as long a sample"),
    ]  # fmt: skip
    if best["train_cost_usd"] is not None:
        tiles.insert(3, ("training", f"${figure(best['train_cost_usd'])}", "on demand"))
    return tiles


def _curve(proposal: Mapping[str, Any], like: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A line for every width: what no other of that width beats in memory and time, at the proposed pace."""
    best, budget = proposal["best"], proposal["asked"]["budget"]
    by_width = groupby(sorted(like, key=lambda row: row["width"]), key=lambda row: row["width"])
    series = [_line(f"width {width}", _unbeaten(list(rows)), "other") for width, rows in by_width]
    series += [_line("proposed", [best], "measured")]
    marks = (
        [{"x": budget["memory_gib"], "label": "the budget, in GiB:", "role": "limit"}] if "memory_gib" in budget else []
    )
    return {
        "title": "A sample", "says": "The shaded bands are the 90% intervals.",
        "x": {"label": "memory", "unit": "GiB", "scale": "log"},
        "y": {"label": "time", "unit": "s", "scale": "log"}, "series": series, "marks": marks,
    }  # fmt: skip


def _unbeaten(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    kept = front(rows, lambda row: (row["memory_gib"], row["latency_s"]["value"]))
    return sorted(kept, key=lambda row: row["memory_gib"])


def _line(name: str, rows: Sequence[Mapping[str, Any]], role: str) -> dict[str, Any]:
    told = [row["latency_s"] for row in rows]
    return {
        "name": name, "role": role, "x": [row["memory_gib"] for row in rows], "y": [one["value"] for one in told],
        "low": [one["low"] for one in told], "high": [one["high"] for one in told],
    }  # fmt: skip


def _row(row: Mapping[str, Any]) -> tuple[str, ...]:
    hours = _seconds_of(row["train_hours"])
    return (
        " \u2192 ".join(row["sizes"]), str(row["width"]), row["placement"].replace("-", " "),
        f"{seconds(row['latency_s']['value'])} ({_said(row)})", _gib(row),
        f"{seconds(hours['value'])} ({between(hours)})",
    )  # fmt: skip


def _said(row: Mapping[str, Any]) -> str:
    """The latency's interval, and that it is not all where nothing tells the wait for weights."""
    return between(row["latency_s"]) + ("" if row["fetch_s"] else ", and an unknown wait for weights")


def _seconds_of(hours: Mapping[str, float]) -> dict[str, float]:
    return {end: HOUR_S * value for end, value in hours.items()}


def _gib(row: Mapping[str, Any]) -> str:
    return size_of(row["memory_gib"] * GIB)
