"""What torch's CPU allocator gives out, read from its own events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from torch._C._profiler import _EventType
from torch.profiler import ProfilerActivity, profile


class Held(NamedTuple):
    """The most bytes held at once: of all that was given out, and of tensors alone.

    Memory that an operation takes and gives back before it ends is its own working copy, no tensor of anybody's.
    """

    allocated: int
    tensors: int


class Event(NamedTuple):
    """Memory given out (`nbytes` above 0) or taken back, and during which outermost operation."""

    when: int
    nbytes: int
    pointer: int
    operation: int | None


def allocated(work: Callable[[], object]) -> int:
    """The most bytes that the CPU allocator had given out at once during `work`."""
    return held(work).allocated


def held(work: Callable[[], object]) -> Held:
    """The most bytes held at once during `work`."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        work()
    events = list(_within(sorted(_events(seen.profiler.kineto_results.experimental_event_tree()))))
    momentary = set(_momentary(events))
    return Held(_peak(events), _peak(event for i, event in enumerate(events) if i not in momentary))


def _events(tree: Iterable[Any]) -> Iterator[Event]:
    waiting: list[tuple[Any, int | None]] = [(node, None) for node in tree]
    while waiting:
        node, operation = waiting.pop()
        if node.tag == _EventType.Allocation:
            told = node.extra_fields
            yield Event(node.start_time_ns, told.alloc_size, told.ptr, operation)
        elif operation is None and node.tag == _EventType.TorchOp and node.name.startswith("aten::"):
            operation = node.id
        waiting += [(child, operation) for child in node.children]


def _within(events: Iterable[Event]) -> Iterator[Event]:
    """All but the taking back of what was given out before: torch knows of it from an earlier look."""
    given = set[int]()
    for event in events:
        if event.nbytes > 0:
            given.add(event.pointer)
        elif event.pointer not in given:
            continue
        else:
            given.discard(event.pointer)
        yield event


def _momentary(events: Iterable[Event]) -> Iterator[int]:
    """Where memory is given out and taken back during one operation."""
    given: dict[int, tuple[int, Event]] = {}
    for i, event in enumerate(events):
        if event.nbytes > 0:
            given[event.pointer] = i, event
        elif event.pointer in given:
            first, earlier = given.pop(event.pointer)
            if event.operation is not None and event.operation == earlier.operation:
                yield from (first, i)


def _peak(events: Iterable[Event]) -> int:
    live = peak = 0
    for event in events:
        live += event.nbytes
        peak = max(peak, live)
    return peak
