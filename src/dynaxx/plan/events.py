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

    `encode` the condition; `fetch` a stage's weights to the device, or `stream` them through it block by block;
    `ahead` begins to fetch what comes next while this runs; `run` a node over the whole batch; `release` a node's
    output that nobody needs any more; `evict` a stage's weights from the device. `fetch-codec` and `evict-codec` do
    the same for a codec, `decode` shows a node's latents as what they stand for.
    """

    kind: Literal[
        "encode", "fetch", "stream", "ahead", "run", "release", "evict", "fetch-codec", "evict-codec", "decode"
    ]
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}".strip()


def events(
    nodes: Sequence[Node],
    *,
    keep: Collection[str] = (),
    decode: Collection[str] = (),
    placement: Placement = "resident",
    streamed: Collection[str] = (),
    kept: Collection[str] = (),
) -> tuple[Event, ...]:
    """The events that run `nodes` (in their order), keeping the outputs named in `keep`, decoding those in `decode`.

    `resident` fetches a stage before its first node and leaves it there; `one-at-a-time` evicts it after its last,
    before the next is fetched, and begins to read the next one meanwhile. Stages in `streamed` are never held whole,
    those in `kept` stay where they are, for a run that comes after.
    A codec is with the stages between which it works.
    """
    found = [Event("encode")]
    for i, node in enumerate(nodes):
        name, before, later = node.stage.name, stages_of(nodes[:i]), nodes[i + 1 :]
        used, again = codecs_of([node], decode), codecs_of(later, decode)
        found += [Event("fetch-codec", codec) for codec in used if codec not in codecs_of(nodes[:i], decode)]
        if name not in before:
            found.append(Event("stream" if name in streamed else "fetch", name))
        coming = [other for other in stages_of(later) if other not in (*before, name)]
        if placement == "one-at-a-time" and coming and name not in before:
            found.append(Event("ahead", coming[0]))
        found.append(Event("run", node.name))
        found += [Event("decode", node.name)] if node.name in decode else []
        found += [Event("release", output) for output in done_with(nodes[: i + 1], later, keep)]
        if placement == "one-at-a-time":
            found += [Event("evict-codec", codec) for codec in used if codec not in again]
            found += [Event("evict", name)] if name not in (*stages_of(later), *kept) else []
    return tuple(found)


def stages_of(nodes: Sequence[Node]) -> list[str]:
    """The names of the stages behind nodes, each once, in order."""
    return list(dict.fromkeys(node.stage.name for node in nodes))


def codecs_of(nodes: Sequence[Node], decode: Collection[str] = ()) -> list[str]:
    """The codecs that nodes need: for their inputs, and those that are decoded for their answers; each once."""
    found = [name for node in nodes for name in node.codecs]
    found += [node.grid.space for node in nodes if node.name in decode]
    return list(dict.fromkeys(found))


def shown_at_end(nodes: Sequence[Node]) -> list[str]:
    """The last node, where its answers are latents: `dynaxx sample` decodes them."""
    return [nodes[-1].name] if nodes[-1].decoded is not None else []


def done_with(past: Sequence[Node], later: Sequence[Node], keep: Collection[str]) -> list[str]:
    """The outputs that the newest of the `past` nodes was the last to read."""
    needed = {parent for node in later for parent in node.parents} | set(keep)
    return [name for name in sorted(set(past[-1].parents)) if name not in needed and not name.startswith("input.")]
