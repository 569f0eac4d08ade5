"""How long a run takes with its weights: seconds in which they come and that no stage's work hides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from dynaxx.plan.node_plan import NodePlan
from dynaxx.plan.placement import SHARE_FOR_WEIGHTS
from dynaxx.plan.predict import RunPlan
from dynaxx.plan.time.interval import NOTHING, Interval, in_turn
from dynaxx.plan.time.transfer import Transfer
from dynaxx.plan.told import Teller
from dynaxx.spec.stage import PipelineStage


@final
@dataclass(frozen=True)
class RunTime:
    """What every node takes, by its name, and beside them the wait for weights; None where nothing tells that.

    It is that of a run after another one in the same process: weights that stay are there, those that were let go of
    come again.
    """

    nodes: Mapping[str, Interval]
    fetch_s: Interval | None

    @property
    def latency_s(self) -> Interval:
        """All nodes, one after another, and the wait where it is known."""
        return in_turn([*self.nodes.values(), self.fetch_s or NOTHING])


def run_time(teller: Teller, run: RunPlan) -> RunTime | None:
    """How long a run takes; None where the time of a stage is not known."""
    took: dict[str, Interval] = {}
    for one in run.nodes:
        if one.profile is None or not teller.knows(one.profile):
            return None
        took[one.node.name] = teller.seconds(one.node, one.profile, one.work, samples=one.samples, batch=one.batch)
    return RunTime(took, fetch_s(run, took, teller.clock.transfer))


def fetch_s(run: RunPlan, took: Mapping[str, Interval], transfer: Transfer | None) -> Interval | None:
    """Seconds in which weights come and nothing else is done, by the events that the engine carries out.

    Pretrained stages on a GPU are copied from page-locked memory, ahead where there is room for them beside what works;
    ours are copied from their mapped files when their turn comes. On a CPU pages are touched as the stage runs; they
    are read from the disk, ahead, only where all stages together are more than the machine's memory. Blocks that are
    streamed come while others compute.
    """
    again = {event.name for event in run.events if event.kind == "evict"}
    if not again and all(one.streamed is None for one in run.nodes):
        return NOTHING
    return None if transfer is None else _Walk(run, took, transfer).lost(again)


@final
@dataclass(frozen=True)
class _Walk:
    """The events of a run, with the rates at which weights come."""

    run: RunPlan
    took: Mapping[str, Interval]
    transfer: Transfer

    def lost(self, again: set[str]) -> Interval | None:
        """The wait of all fetches of the stages in `again`, and of blocks; None where a rate is not known."""
        nodes = {one.node.name: one for one in self.run.nodes}
        stages = {one.node.stage.name: one for one in self.run.nodes}
        lost, hidden, here = NOTHING, dict[str, Interval](), set(self.run.lie.kept)
        for event in self.run.events:
            match event.kind:
                case "ahead" if self._room(stages, here, event.name):
                    hidden[event.name] = NOTHING
                case "fetch" | "stream":
                    whole = stages[event.name].streamed is None  # mapped, or of one block
                    if whole and event.name in again and event.name not in here:
                        comes = self._comes(stages[event.name], hidden.get(event.name, NOTHING))
                        if comes is None:
                            return None
                        lost = lost.plus(comes)
                    here.add(event.name)
                case "evict":
                    here.discard(event.name)
                case "run":
                    passed, one = self.took[event.name], nodes[event.name]
                    lost = lost.plus(self._blocks(one).beyond(passed))
                    hidden = {name: before.plus(passed) for name, before in hidden.items()}
        return lost

    def _room(self, stages: Mapping[str, NodePlan], here: set[str], name: str) -> bool:
        """Whether a stage's weights have room beside those that are there, as the engine asks before it begins."""
        limits = [limit for limit in (self.transfer.memory_bytes, self.run.cap_bytes) if limit is not None]
        held = sum(stages[other].resting for other in {*here, name})
        return self.run.nodes[0].on_cpu or not limits or held <= SHARE_FOR_WEIGHTS * min(limits)

    def _comes(self, one: NodePlan, hidden: Interval) -> Interval | None:
        """The wait for a stage of which `hidden` seconds have passed since it was begun ahead."""
        rates = self.transfer
        if not one.on_cpu and rates.pinned_bytes_s is not None and isinstance(one.node.stage, PipelineStage):
            return rates.seconds(one.weights, rates.pinned_bytes_s).beyond(hidden)
        mapped = rates.seconds(one.weights, rates.mapped_bytes_s)
        if not one.on_cpu or self._cached():
            return mapped
        if rates.disk_bytes_s is None:
            return None
        return rates.seconds(one.weights, rates.disk_bytes_s).beyond(hidden).plus(mapped)

    def _cached(self) -> bool:
        """Whether the files of all stages stay in the machine's memory from run to run."""
        every = sum({one.node.stage.name: one.weights for one in self.run.nodes}.values())
        memory = self.transfer.memory_bytes
        return memory is None or every <= SHARE_FOR_WEIGHTS * memory

    def _blocks(self, one: NodePlan) -> Interval:
        """What bringing a node's blocks takes by itself."""
        rate = self.transfer.pinned_bytes_s or self.transfer.mapped_bytes_s
        return self.transfer.seconds(one.brought_bytes, rate) if one.streamed is not None else NOTHING
