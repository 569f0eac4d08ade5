"""One node of a run as planned: its network's parameters, work and memory, and how its weights come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, final

from dynaxx.plan.profile import Profile
from dynaxx.plan.signals import FLOAT, signal_bytes
from dynaxx.plan.tiles import one_tile
from dynaxx.plan.tracker import OpKey
from dynaxx.plan.walk import steps_of
from dynaxx.spec.facts import ENCODERS
from dynaxx.spec.graph import Node


@final
@dataclass(frozen=True)
class NodePlan:
    """One node of a run of `samples` samples, `batch` at a time.

    `flops` are those of one sample. `peak_bytes` is the most that is held while the node runs: its own peak, other
    stages' weights that stay, outputs that somebody still needs. Where a kind cannot be told, `unknown` says why.
    `parts` are a wrapped pipeline's, with their parameters; None where a part's configuration is not there. `streams`
    says whether weights come block by block, `streamed` what is held then by a device that has memory of its own.
    """

    node: Node
    samples: int
    batch: int
    profile: Profile | None = None
    work: Mapping[OpKey, int] = field(default_factory=Counter)
    passes: Mapping[int, int] = field(default_factory=dict)
    parts: Mapping[str, int | None] = field(default_factory=dict)
    peak_bytes: float = 0.0
    unknown: str = ""
    on_cpu: bool = True
    streams: bool = False
    streamed: Profile | None = None

    @property
    def parameters(self) -> int:
        """The parameters of the node's network, or of all parts of a wrapped pipeline."""
        return self.profile.parameters if self.profile else 0

    @property
    def weights(self) -> int:
        """The bytes of its weights."""
        return self.profile.weights if self.profile else 0

    @property
    def let_go(self) -> list[str]:
        """The text encoders of a wrapped pipeline that are gone while its network works: its weights lack them."""
        stay = sum(count or 0 for name, count in self.parts.items() if name not in ENCODERS)
        bytes_each = 4 if self.profile is None or self.profile.dtype == "float32" else 2
        return [name for name in self.parts if name in ENCODERS and self.weights <= stay * bytes_each]

    @property
    def comes(self) -> Literal["whole", "blocks", "mapped"]:
        """How its weights come: a stage that is streamed comes whole where it cannot be parted, mapped on a CPU."""
        if not self.streams:
            return "whole"
        return "mapped" if self.on_cpu else "blocks" if self.streamed else "whole"

    @property
    def resting(self) -> int:
        """The bytes of its weights that are there while none of its blocks is called."""
        return self.streamed.weights if self.streamed else self.weights

    @property
    def brought_bytes(self) -> int:
        """The bytes of weights that blocks bring to the device in a run: all in every evaluation of every batch."""
        if self.streamed is None:
            return 0
        _, tiles = one_tile(self.node)
        calls = max(1, sum(self.passes.values())) * tiles * -(-self.samples // self.batch)
        return (self.weights - self.streamed.weights) * calls

    @property
    def steps(self) -> int:
        """The steps of the node's walk."""
        return steps_of(self.node)

    @property
    def flops(self) -> float:
        """FLOPs of one sample, all its tiles."""
        part, tiles = one_tile(self.node)
        return tiles * self.profile.flops(self.work, 1, part.grid.size) if self.profile else 0.0

    @property
    def own_bytes(self) -> float:
        """The node's own peak: its weights, its inputs and its workings; in tiles, those of one, and whole signals."""
        held = self.streamed or self.profile
        if held is None:
            return 0.0
        part, tiles = one_tile(self.node)
        peak = held.peak_bytes(self.batch, part.grid.size, on_cpu=self.on_cpu)
        return peak + (self._whole_bytes + signal_bytes(part.grid, self.batch) if tiles > 1 else 0)

    @property
    def _whole_bytes(self) -> int:
        """The answer that tiles are added to, their shares of each site, and the inputs that they are cut from."""
        node, mine = self.node, signal_bytes(self.node.grid, self.batch)
        per_channel = mine // node.grid.channels
        inputs = [per_channel * node.channels_of(name) for name in node.inputs]
        sources = [signal_bytes(given.grid, self.batch) for given in node.inputs.values()]
        return mine + FLOAT * node.grid.sites + sum(inputs) + sum(sources)
