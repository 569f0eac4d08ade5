"""What is held from event to event of a run: weights of stages and codecs, answers, and what works."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import final

from dynaxx.plan.codecs import CodecPlans, Conversion
from dynaxx.plan.events import Event
from dynaxx.plan.node_plan import NodePlan
from dynaxx.plan.signals import signal_bytes


@final
@dataclass
class Room:
    """The weights of the stages and codecs that are `here` and `opened`, and the answers that are held.

    `decoded` are nodes whose answers are held as what they stand for, too.
    """

    found: Sequence[NodePlan]
    codecs: CodecPlans
    here: set[str]
    opened: set[str]
    asked: int
    on_cpu: bool
    outputs: set[str] = field(default_factory=set)
    decoded: set[str] = field(default_factory=set)

    def peaks(self, listed: Sequence[Event]) -> dict[str, float]:
        """The most that is held while each node runs and is decoded."""
        by_name, peaks = {one.node.name: one for one in self.found}, dict[str, float]()
        for event in listed:
            match event.kind:
                case "run":
                    one = by_name[event.name]
                    peaks[event.name] = self._beside(one) + max(_running(one), one.resting + self._converting(one))
                    self.outputs.add(event.name)
                case "decode":
                    one = by_name[event.name]
                    held = self._beside(one) + one.resting
                    held += self._workings(self.codecs.decoding(one.node), one.samples)
                    peaks[event.name] = max(peaks[event.name], held)
                    self.decoded.add(event.name)
                case _:
                    self._note(event)
        return peaks

    def _note(self, event: Event) -> None:
        match event.kind:
            case "fetch" | "stream":
                self.here.add(event.name)
            case "evict":
                self.here.discard(event.name)
            case "fetch-codec":
                self.opened.add(event.name)
            case "evict-codec" if not self.on_cpu:
                self.opened.discard(event.name)
            case "release":
                self.outputs.discard(event.name)

    def _beside(self, one: NodePlan) -> float:
        """All but what the node itself holds."""
        every = {other.node.stage.name: other.resting for other in self.found}
        others = sum(every[name] for name in self.here - {one.node.stage.name})
        codecs = sum(self.codecs.of(name).weights for name in self.opened)
        grids = [other.node.grid for other in self.found if other.node.name in self.outputs]
        grids += [other.node.decoded for other in self.found if other.node.name in self.decoded and other.node.decoded]
        return self.asked + others + codecs + sum(signal_bytes(grid, one.samples) for grid in grids)

    def _converting(self, one: NodePlan) -> float:
        """The most that one batch's inputs hold while they are brought into the node's space."""
        crossed = self.codecs.entering(one.node, [other.node for other in self.found])
        done = signal_bytes(one.node.grid, one.samples - one.batch)
        return done + max((self._workings(conversion, one.batch) for conversion in crossed), default=0.0)

    def _workings(self, conversion: Conversion, samples: int) -> float:
        return self.codecs.workings_bytes(conversion, samples, on_cpu=self.on_cpu)


def _running(one: NodePlan) -> float:
    """A node's last batch beside the answers of those before, or all answers while they are joined."""
    answers = signal_bytes(one.node.grid, one.samples)
    last = signal_bytes(one.node.grid, one.samples - one.batch) + one.own_bytes
    return max(last, one.resting + 2 * answers)
