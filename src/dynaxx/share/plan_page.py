"""A plan as one page: a few figures, every stage as bars of time and memory, the front of latency and memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dynaxx.share.numbers import figure
from dynaxx.share.page import duration
from dynaxx.share.shelf import shelf

GIB = 2**30
UNITS = ((GIB, "GiB"), (2**20, "MiB"), (2**10, "KiB"))
COUNTS = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
SPACE = "\u00a0"


def render_plan(plan: Mapping[str, Any]) -> str:
    """The page as one self-contained HTML document, from what `dynaxx plan --json` says."""
    timed = plan["run"]["latency_s"] is not None
    known = [node for node in plan["nodes"] if not node["unknown"]]
    return shelf().get_template("plan.html").render(
        plan=plan, timed=timed, headline=_headline(plan), tiles=_tiles(plan), lanes=_lanes(known, timed=timed),
        curve=_curve(plan) if len(plan["ways"]) > 1 else None,
        ways=[_way(way) for way in plan["ways"]], sampling=[_node(node) for node in plan["nodes"]],
        training=[_stage(stage) for stage in plan["training"]],
    )  # fmt: skip


def _headline(plan: Mapping[str, Any]) -> str:
    run = plan["run"]
    takes = f"{_bytes(run['peak_bytes'])} at once"
    return takes if run["latency_s"] is None else f"{_seconds(run['latency_s']['value'])} and {takes}"


def _tiles(plan: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    run, stages = plan["run"], len(plan["nodes"])
    tiles = [("parameters", _count(run["parameters"]), f"in {stages} stage{'s' if stages > 1 else ''}")]
    if run["latency_s"]:
        tiles.append(("time", _seconds(run["latency_s"]["value"]), _between(run["latency_s"])))
    tiles.append(("memory", _bytes(run["peak_bytes"]), "held at once"))
    if run["usd_per_1000"]:
        usd = run["usd_per_1000"]["on_demand"]
        tiles.append(("1000 samples", f"${figure(usd['value'])}", f"${figure(usd['low'])} to ${figure(usd['high'])}"))
    hours = plan["train"]["train_s"]
    if plan["training"] and hours:
        tiles.append(("training", _seconds(hours["value"]), _between(hours)))
    return tiles


def _lanes(nodes: Sequence[Mapping[str, Any]], *, timed: bool) -> list[dict[str, Any]]:
    """A lane for each node: when it runs, and what is held meanwhile, in percent of the latest end and the most."""
    most = max((node["peak_bytes"] for node in nodes), default=1) or 1
    total, lanes, start = _latest_end_s(nodes) if timed else 0.0, [], 0.0
    for node in nodes:
        lane: dict[str, Any] = {
            "name": node["name"], "says": f"{node['grid']}, {node['evaluations']} evaluations",
            "memory": {"said": _bytes(node["peak_bytes"]), "width": round(100 * node["peak_bytes"] / most, 2)},
            "time": None,
        }  # fmt: skip
        if timed and total:
            told = node["latency_s"]
            low, high = (start + told[end] for end in ("low", "high"))
            lane["time"] = {
                "said": _seconds(told["value"]), "left": round(100 * start / total, 2),
                "width": round(100 * told["value"] / total, 2), "open_left": round(100 * low / total, 2),
                "open": round(100 * (high - low) / total, 2),
            }  # fmt: skip
            start += told["value"]
        lanes.append(lane)
    return lanes


def _latest_end_s(nodes: Sequence[Mapping[str, Any]]) -> float:
    """When the last interval closes, each node beginning at the middle of what those before it take."""
    start, latest = 0.0, 0.0
    for node in nodes:
        latest = max(latest, start + node["latency_s"]["high"])
        start += node["latency_s"]["value"]
    return latest


def _curve(plan: Mapping[str, Any]) -> dict[str, Any]:
    """The front of memory and time, a line for each placement, and where the plan lies."""
    placements = dict.fromkeys(way["placement"] for way in plan["ways"])
    return {
        "title": f"A sample of {plan['samples']}", "says": "The shaded bands are the 90% intervals.",
        "x": {"label": "memory", "unit": "GiB", "scale": "log"}, "y": {"label": "time of a sample", "unit": "s"},
        "series": [_line(name, [way for way in plan["ways"] if way["placement"] == name]) for name in placements],
        "marks": [{"x": plan["run"]["peak_bytes"] / GIB, "label": "this plan", "role": "now"}],
    }  # fmt: skip


def _line(placement: str, ways: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    told = [way["latency_s"] for way in ways]
    return {
        "name": placement.replace("-", " "), "role": "measured", "x": [way["peak_bytes"] / GIB for way in ways],
        "y": [one["value"] for one in told], "low": [one["low"] for one in told],
        "high": [one["high"] for one in told],
    }  # fmt: skip


def _way(way: Mapping[str, Any]) -> tuple[str, ...]:
    told = way["latency_s"]
    took = f"{_seconds(told['value'])} ({_between(told)})"
    again = _bytes(way["fetched_bytes"]) if way["fetched_bytes"] else "none"
    return way["placement"].replace("-", " "), str(way["batch"]), _bytes(way["peak_bytes"]), took, again


def _node(node: Mapping[str, Any]) -> tuple[str, ...]:
    if node["unknown"]:
        return node["name"], node["grid"], *["not known"] * 6
    took = _seconds(node["latency_s"]["value"]) if node["latency_s"] else "not known"
    return (
        node["name"], node["grid"], _count(node["parameters"]), _bytes(node["weights_bytes"]),
        str(node["evaluations"]), _count(node["flops"]), _bytes(node["peak_bytes"]), took,
    )  # fmt: skip


def _stage(stage: Mapping[str, Any]) -> tuple[str, ...]:
    if stage["unknown"]:
        return stage["name"], stage["grid"], *["not known"] * 5
    took = _seconds(stage["train_s"]["value"]) if stage["train_s"] else "not known"
    return (
        stage["name"], stage["grid"], str(stage["batch"]), str(stage["steps"]), _count(stage["flops_per_step"]),
        _bytes(stage["peak_bytes"]), took,
    )  # fmt: skip


def _between(told: Mapping[str, float]) -> str:
    return f"{_seconds(told['low'])} to {_seconds(told['high'])}"


def _seconds(seconds: float) -> str:
    """Seconds up to two minutes, then minutes, hours, days."""
    for size, unit in ((172800.0, "d"), (7200.0, "h"), (120.0, "min")):
        if seconds >= size:
            per = {"d": 86400.0, "h": 3600.0, "min": 60.0}[unit]
            return f"{figure(seconds / per)}{SPACE}{unit}"
    return duration(seconds).replace(" ", SPACE)


def _bytes(number: float) -> str:
    said = next((f"{figure(number / size)}{SPACE}{unit}" for size, unit in UNITS if number >= size), None)
    return said or f"{number:.0f}{SPACE}B"


def _count(number: float) -> str:
    said = next((f"{figure(number / size)}{unit}" for size, unit in COUNTS if number >= size), None)
    return said or f"{number:.0f}"
