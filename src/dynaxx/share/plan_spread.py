"""What a plan says of a run over several devices: what each holds, and the machine beside them; how fast it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dynaxx.share.amounts import between, seconds, size_of


def spread_lines(plan: Mapping[str, Any]) -> list[str]:
    """A line for each device, the machine's own memory, the pace, and what that leaves out; none for a lone device."""
    found = plan["spread"]
    if found is None:
        return []
    own = f"the machine's own memory: {_host(found['host'])}."
    return [*map(_device, found["devices"]), own, _pace(found), *(_unpaced(found["unpaced"]) if found["way_s"] else ())]


def _device(one: Mapping[str, Any]) -> str:
    names = [f"{name} (streamed)" if name in one["streamed"] else name for name in one["stages"]]
    weights = f", {size_of(one['weights_bytes'])} of it weights" if one["weights_bytes"] else ""
    return f"{one['device']}: {', '.join(names)}; {size_of(one['peak_bytes'])} at most{weights}."


def _unpaced(left_out: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What the pace knows nothing of."""
    brought = [f"{size_of(count)} of {name}" for name, count in left_out["brought_bytes"].items()]
    unlike = [f"{device} ({what})" for device, what in left_out["unlike"].items()]
    streams = f"not in the pace: blocks that are streamed, {', '.join(brought)} in a run." if brought else ""
    kinds = f"not in the pace: {', '.join(unlike)} are unlike, and timed alike." if unlike else ""
    return [line for line in (streams, kinds) if line]


def _host(host: Mapping[str, float]) -> str:
    parts = {
        "of answers": host["answers_bytes"], "of copies that weights come from": host["masters_bytes"],
        "held by workers on the CPU": host["workers_bytes"],
    }  # fmt: skip
    return ", ".join(f"{size_of(count)} {what}" for what, count in parts.items() if count)


def _pace(found: Mapping[str, Any]) -> str:
    """The bottleneck beside the whole way."""
    way, least = found["way_s"], found["bottleneck_s"]
    if way is None:
        return "pace: not known, since no clock knows all stages."
    told = f"{seconds(way['value'])} ({between(way)}) a sample through all stages"
    if least is None:
        return f"pace: {told}; workers on one CPU share its cores, so that what all make at once is not known."
    return f"pace: {told}; {seconds(least['value'])} ({between(least)}) where all devices work at once, the bottleneck."
