"""Stages as lanes: a bar of time, with what its interval leaves open, and a bar of memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dynaxx.share.amounts import seconds, size_of


def lanes(nodes: Sequence[Mapping[str, Any]], *, timed: bool) -> list[dict[str, Any]]:
    """A lane for each node: when it runs, and what is held meanwhile, in percent of the latest end and the most."""
    most = max((node["peak_bytes"] for node in nodes), default=1) or 1
    total, found, start = _latest_end_s(nodes) if timed else 0.0, [], 0.0
    for node in nodes:
        count = node["evaluations"]
        lane: dict[str, Any] = {
            "name": node["name"], "says": f"{node['grid']}, {count} evaluation{'' if count == 1 else 's'}",
            "memory": {"said": size_of(node["peak_bytes"]), "width": round(100 * node["peak_bytes"] / most, 2)},
            "time": None,
        }  # fmt: skip
        if timed and total:
            told = node["latency_s"]
            low, high = (start + told[end] for end in ("low", "high"))
            lane["time"] = {
                "said": seconds(told["value"]), "left": round(100 * start / total, 2),
                "width": round(100 * told["value"] / total, 2), "open_left": round(100 * low / total, 2),
                "open": round(100 * (high - low) / total, 2),
            }  # fmt: skip
            start += told["value"]
        found.append(lane)
    return found


def _latest_end_s(nodes: Sequence[Mapping[str, Any]]) -> float:
    """When the last interval closes, each node beginning at the middle of what those before it take."""
    start, latest = 0.0, 0.0
    for node in nodes:
        latest = max(latest, start + node["latency_s"]["high"])
        start += node["latency_s"]["value"]
    return latest
