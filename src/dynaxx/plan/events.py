"""What a run will do, in order: the list that the engine then executes, so that plan and run cannot drift apart."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from dynaxx.spec.graph import Node

Placement = Literal["resident", "one-at-a-time"]


@dataclass(frozen=True)
class Event:
    """One thing the engine does.

    `encode` the condition; `fetch` a stage's weights to the device; `run` a node over the whole batch; `release`
    a node's output that nobody needs any more; `evict` a stage's weights from the device.
    """

    kind: Literal["encode", "fetch", "run", "release", "evict"]
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}".strip()


def events(
    nodes: Sequence[Node], *, keep: Collection[str] = (), placement: Placement = "resident"
) -> tuple[Event, ...]:
    """The events that run `nodes` (in their order), keeping the outputs named in `keep`.

    `resident` fetches a stage before its first node and leaves it there; `one-at-a-time` evicts it after its last,
    before the next is fetched.
    """
    found = [Event("encode")]
    for i, node in enumerate(nodes):
        later = nodes[i + 1 :]
        if node.stage.name not in {other.stage.name for other in nodes[:i]}:
            found.append(Event("fetch", node.stage.name))
        found.append(Event("run", node.name))
        found += [Event("release", name) for name in done_with(nodes[: i + 1], later, keep)]
        if placement == "one-at-a-time" and node.stage.name not in {other.stage.name for other in later}:
            found.append(Event("evict", node.stage.name))
    return tuple(found)


def done_with(past: Sequence[Node], later: Sequence[Node], keep: Collection[str]) -> list[str]:
    """The outputs that the newest of the `past` nodes was the last to read."""
    needed = {parent for node in later for parent in node.parents} | set(keep)
    return [name for name in sorted(set(past[-1].parents)) if name not in needed and not name.startswith("input.")]
