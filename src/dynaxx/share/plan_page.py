"""A plan as one page: a few figures, every stage as bars of time and memory, the front of latency and memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dynaxx.share.amounts import GIB, between, count_of, seconds, size_of
from dynaxx.share.lanes import lanes
from dynaxx.share.numbers import figure
from dynaxx.share.plan_room import room_lines, wait_lines
from dynaxx.share.plan_spread import spread_lines
from dynaxx.share.shelf import shelf


def render_plan(plan: Mapping[str, Any]) -> str:
    """The page as one self-contained HTML document, from what `dynaxx plan --json` says."""
    timed = plan["run"]["latency_s"] is not None
    known = [node for node in plan["nodes"] if not node["unknown"]]
    return shelf().get_template("plan.html").render(
        plan=plan, timed=timed, headline=_headline(plan), tiles=_tiles(plan), lanes=lanes(known, timed=timed),
        curve=_curve(plan) if len(plan["ways"]) > 1 else None,
        ways=[_way(way) for way in plan["ways"]], sampling=[_node(node) for node in plan["nodes"]],
        training=[_stage(stage) for stage in plan["training"]], room=room_lines(plan),
        spread=spread_lines(plan), waits=wait_lines(plan),
    )  # fmt: skip


def _headline(plan: Mapping[str, Any]) -> str:
    run = plan["run"]
    takes = f"{size_of(run['peak_bytes'])} at once"
    return takes if run["latency_s"] is None else f"{seconds(run['latency_s']['value'])} and {takes}"


def _tiles(plan: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    run, stages = plan["run"], len(plan["nodes"])
    tiles = [("parameters", count_of(run["parameters"]), f"in {stages} stage{'s' if stages > 1 else ''}")]
    if run["latency_s"]:
        tiles.append(("time", seconds(run["latency_s"]["value"]), between(run["latency_s"])))
    grown = run["resident_bytes"]
    held = f"held at once; the process grows by {size_of(grown)}" if grown else "held at once"
    tiles.append(("memory", size_of(run["peak_bytes"]), held))
    if run["usd_per_1000"]:
        usd = run["usd_per_1000"]["on_demand"]
        tiles.append(("1000 samples", f"${figure(usd['value'])}", f"${figure(usd['low'])} to ${figure(usd['high'])}"))
    hours = plan["train"]["train_s"]
    if plan["training"] and hours:
        tiles.append(("training", seconds(hours["value"]), between(hours)))
    return tiles


def _curve(plan: Mapping[str, Any]) -> dict[str, Any]:
    """The front of memory and time, a line for each placement, and where the plan lies."""
    placements = dict.fromkeys(_lies(way) for way in plan["ways"])
    return {
        "title": f"A sample of {plan['samples']}", "says": "The shaded bands are the 90% intervals.",
        "x": {"label": "memory", "unit": "GiB", "scale": "log"}, "y": {"label": "time of a sample", "unit": "s"},
        "series": [_line(name, [way for way in plan["ways"] if _lies(way) == name]) for name in placements],
        "marks": [{"x": plan["run"]["peak_bytes"] / GIB, "label": "this plan", "role": "now"}],
    }  # fmt: skip


def _line(placement: str, ways: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    told = [way["latency_s"] for way in ways]
    return {
        "name": placement, "role": "measured", "x": [way["peak_bytes"] / GIB for way in ways],
        "y": [one["value"] for one in told], "low": [one["low"] for one in told],
        "high": [one["high"] for one in told],
    }  # fmt: skip


def _way(way: Mapping[str, Any]) -> tuple[str, ...]:
    told = way["latency_s"]
    took = f"{seconds(told['value'])} ({between(told)})"
    again = size_of(way["fetched_bytes"]) if way["fetched_bytes"] else "none"
    return _lies(way), str(way["batch"]), size_of(way["peak_bytes"]), took, again, _wait(way)


def _wait(way: Mapping[str, Any]) -> str:
    """What of a sample's time is a wait for weights."""
    waits = way["fetch_s"]
    if waits is None:
        return "not known, and not in the time"
    return f"{seconds(waits['value'])} ({between(waits)})" if waits["high"] else "none"


def _lies(way: Mapping[str, Any]) -> str:
    """Where weights lie, in words."""
    streamed = f", {' and '.join(way['streamed'])} streamed" if way["streamed"] else ""
    return f"{way['placement'].replace('-', ' ')}{streamed}"


def _node(node: Mapping[str, Any]) -> tuple[str, ...]:
    if node["unknown"]:
        return node["name"], node["grid"], *["not known"] * 6
    took = seconds(node["latency_s"]["value"]) if node["latency_s"] else "not known"
    return (
        node["name"], node["grid"], count_of(node["parameters"]), size_of(node["weights_bytes"]),
        str(node["evaluations"]), count_of(node["flops"]), size_of(node["peak_bytes"]), took,
    )  # fmt: skip


def _stage(stage: Mapping[str, Any]) -> tuple[str, ...]:
    if stage["unknown"]:
        return stage["name"], stage["grid"], *["not known"] * 5
    took = seconds(stage["train_s"]["value"]) if stage["train_s"] else "not known"
    return (
        stage["name"], stage["grid"], str(stage["batch"]), str(stage["steps"]), count_of(stage["flops_per_step"]),
        size_of(stage["peak_bytes"]), took,
    )  # fmt: skip
