"""What the lens found, for a terminal: the verdict, the stages in a table, and what to change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from dynaxx.share.numbers import count, interval, measure
from dynaxx.share.page import duration
from dynaxx.share.ranked import LEVELS, ranked

STYLES = {"fault": "bold red", "watch": "yellow", "healthy": "green", "unknown": "dim"}
SHOWN = 5


def summary(findings: Mapping[str, Any]) -> RenderableType:
    """The findings in a screen or less; `rich` prints it."""
    verdict, method = findings["verdict"], findings["method"]
    parts: list[RenderableType] = [
        Text(verdict["headline"], style=STYLES[verdict["level"]]),
        *([Text(" ".join(verdict["words"]))] if verdict["words"] else []),
        Text(),
        _stages(findings["stages"], findings["distance"]["unit"]),
        *_changes(ranked(findings["findings"])),
    ]
    if findings["applied"]:
        parts.append(Text(_applied(findings["applied"], findings["distance"]["unit"])))
    cost = f"{count(method['nfe'])} network evaluations, {duration(method['latency_s'])}"
    parts += [Text(), Text(f"{method['n']} samples, intervals of {100 * method['confidence']:g}%, {cost}", style="dim")]
    return Group(*parts)


def _stages(stages: Sequence[Mapping[str, Any]], unit: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("stage", "verdict", "share of the error", "own error", "carry"):
        table.add_column(name)
    for stage in stages:
        percent = stage["share_percent"]
        share = _both(percent, "%") if percent else _both(stage["share"], unit)
        verdict = Text(LEVELS[stage["level"]], style=STYLES[stage["level"]])
        table.add_row(stage["name"], verdict, share, _both(stage["own"], unit), _both(stage["carry"], ""))
    return table


def _changes(findings: Sequence[Mapping[str, Any]]) -> list[RenderableType]:
    advised = [finding for finding in findings if finding["advice"]]
    lines: list[RenderableType] = [Text(), Text("What to change", style="bold")] if advised else []
    for rank, finding in enumerate(advised[:SHOWN], start=1):
        style = STYLES[finding["level"]]
        lines.append(Text.assemble(f"{rank}. ", (finding["advice"], style), f"  {finding['stage'] or ''}"))
        lines.append(Padding(Text(finding["says"], style="dim"), (0, 0, 0, 3)))
    if len(advised) > SHOWN:
        lines.append(Text(f"and {len(advised) - SHOWN} more, in the report", style="dim"))
    return lines


def _applied(applied: Mapping[str, Any], unit: str) -> str:
    before, after = measure(applied["before"], unit), measure(applied["after"], unit)
    recovered = f"; recovered {_both(applied['recovered'], '')}" if applied.get("recovered") else ""
    return f"\nOn fresh samples: {before} before, {after} after{recovered}."


def _both(m: Mapping[str, Any] | None, unit: str) -> str:
    if m is None or m["value"] is None:
        return "-"
    return f"{measure(m, unit)} ({interval(m, unit)})"
