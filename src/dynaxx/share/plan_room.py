"""What a plan under a memory cap says: what is streamed and what stays, what does not fit, and the way out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dynaxx.share.amounts import between, seconds, size_of


def room_lines(plan: Mapping[str, Any]) -> list[str]:
    """What is streamed, what stays, what does not fit, and the verdict; nothing where there is no cap."""
    cap = plan["memory_cap_bytes"]
    if cap is None:
        return []
    found = [f"{node['name']}: {_streamed(node)}." for node in plan["nodes"] if node["stage"] in plan["streamed"]]
    found += [f"{name}: stays where it is for the next run." for name in plan["kept"]]
    found += [_misfit(one, cap) for one in plan["misfits"]]
    verdict = "does not fit" if plan["misfits"] else "not known" if plan["unknown"] else "fits"
    return [*found, f"memory cap {size_of(cap)}: {verdict}."]


def wait_lines(plan: Mapping[str, Any]) -> list[str]:
    """What of a run's time is a wait for weights; nothing where all stay."""
    waits, brought = plan["run"]["fetch_s"], plan["fetched_bytes"]
    if not brought:
        return []
    comes = f"{size_of(brought)} of weights come anew in every run"
    if plan["run"]["latency_s"] is None:
        return [f"{comes}."]
    if waits is None:
        return [f"{comes}, which is not in the time: nothing tells how fast."]
    hidden = " behind the stages' work" if waits["value"] == 0 else f": a wait of {seconds(waits['value'])}"
    return [f"{comes}{hidden} ({between(waits)}), which is in the time."]


def _streamed(node: Mapping[str, Any]) -> str:
    """What streaming means on the device that was asked about."""
    if node["comes"] == "mapped":
        return "streamed, which on a CPU is a mapped file that is read as it is needed"
    if node["comes"] == "whole":
        return "larger than the cap has room for, and comes whole, since it cannot be parted"
    return f"streamed block by block, {size_of(node['brought_bytes'])} brought in a run"


def _misfit(one: Mapping[str, Any], cap: int) -> str:
    holds = f"{one['node']}: holds {size_of(one['peak_bytes'])}, {size_of(one['peak_bytes'] - cap)} too much"
    work = "for blocks and to work" if one["streams"] else "to work"
    parts = {
        "of weights": one["weights_bytes"], work: one["workings_bytes"],
        "of other stages and signals": one["others_bytes"],
    }  # fmt: skip
    of = ", ".join(f"{size_of(count)} {what}" for what, count in parts.items() if count)
    mapped = f" The system can take {size_of(one['mapped_bytes'])} back: a mapped file." if one["mapped_bytes"] else ""
    way = (
        f"Way out: {' or '.join(one['fixes'])}" if one["fixes"] else "No smaller batch, tile or number of samples does"
    )
    return f"{holds}: {of}.{mapped} {way}."
