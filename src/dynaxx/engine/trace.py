"""What a run did: per node its time, memory, levels and seeds, and every event in order."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from dynaxx.engine.passed import AWAITED, Passed, held_bytes, kind_of
from dynaxx.signal.device import synchronize_computed
from dynaxx.signal.device_memory import peak_bytes, reset_peak
from dynaxx.spec.grid import PIXELS

GIB = 2**30


@dataclass
class NodeRecord:
    """One node's run over the whole batch; `std` and `blur` are the levels put on its inputs.

    `space` is `pixels` or the codec whose latent space it answers in, `input_spaces` the same for its inputs. `paths`
    has the inputs that were decoded or encoded: the parents' spaces, the one where the edge worked, and the node's.
    `calls` are those made of a wrapped pipeline, one per batch, with the seeds of its generators: what a script of
    one's own needs to repeat the sample. Their `put_on_std` is measured: the noise that really came on its low input.
    `probed` are the batch sizes that were tried, with seconds per sample; `took` has every batch in turn: how many
    samples, and seconds. `by_device` counts the samples that each device made, where stages are spread over several;
    `peak_gib` is then the largest of their peaks since the run began.
    """

    name: str
    stage: str
    grid: str
    samples: int
    batch_size: int
    steps: int | None
    std: dict[str, float]
    blur: dict[str, float]
    space: str = PIXELS
    input_spaces: dict[str, str] = field(default_factory=dict)
    paths: dict[str, tuple[str, ...]] = field(default_factory=dict)
    calls: list[Mapping[str, Any]] = field(default_factory=list)
    probed: dict[int, float] = field(default_factory=dict)
    took: list[tuple[int, float]] = field(default_factory=list)
    by_device: dict[str, int] = field(default_factory=dict)
    latency_s: float = 0.0
    peak_gib: float = 0.0

    @property
    def seeds(self) -> list[int]:
        """The seeds of a wrapped pipeline's generators, one per sample; none for other stages."""
        return [seed for call in self.calls for seed in call["seeds"]]

    @property
    def latency_per_sample_s(self) -> float:
        """Seconds per sample, batched as it was."""
        return self.latency_s / max(self.samples, 1)


@dataclass
class Trace:
    """The record of a run; plain numbers and text, ready for JSON.

    `sizes` are those of the stages without inputs, `given` names the signals that the user brought. `spread` has the
    devices of each stage, where they are spread over several, and `spread_by` what chose them: their `name`, or the
    times that the plan's `clock` tells, or that were `measured`.
    """

    run_id: str
    seed: int
    ids: tuple[int, ...]
    device: str
    sizes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    given: tuple[str, ...] = ()
    nodes: list[NodeRecord] = field(default_factory=list)
    events: list[Passed] = field(default_factory=list)
    spread: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    spread_by: str = ""
    began: float = field(default_factory=time.perf_counter)

    @contextmanager
    def event(self, name: str, weights_bytes: int | None = None) -> Iterator[None]:
        """Time one event, and measure by how much what the device holds grows."""
        device = torch.device(self.device)
        held, began = held_bytes(device), time.perf_counter()
        yield
        if kind_of(name) in AWAITED:
            synchronize_computed(device)
        after, took = held_bytes(device), time.perf_counter() - began
        grew = None if held is None or after is None else after - held
        self.events.append(Passed(name, began - self.began, took, weights_bytes, grew))

    @property
    def lost_s(self) -> float:
        """The seconds in which weights were moved and nothing else was done."""
        return sum(event.lost_s for event in self.events)

    @property
    def seats(self) -> str:
        """In words, which devices held which stages, and what chose them; nothing where stages were not spread."""
        if not self.spread:
            return ""
        by = {"name": "as named", "clock": "by the plan's clock", "measured": "by what they took when tried"}
        held = [f"{name} on {', '.join(devices)}" for name, devices in self.spread.items()]
        return f"{'; '.join(held)} ({by[self.spread_by]})"

    @contextmanager
    def node(self, record: NodeRecord) -> Iterator[None]:
        """Time one node and note its peak memory."""
        device = torch.device(self.device)
        began = time.perf_counter()
        reset_peak(device)
        yield
        synchronize_computed(device)
        record.latency_s, record.peak_gib = time.perf_counter() - began, peak_gib(device)
        self.nodes.append(record)

    def to_json(self) -> dict[str, Any]:
        """The trace as plain data."""
        found = asdict(self)
        found.pop("began")
        found["events"] = [asdict(event) | {"lost_s": event.lost_s} for event in self.events]
        return found | {"lost_s": self.lost_s}


def peak_gib(device: torch.device) -> float:
    """Peak memory: the allocator's since the node began on a GPU, the process's resident peak so far elsewhere."""
    if (peak := peak_bytes(device)) is not None:
        return peak / GIB
    try:
        import resource
    except ImportError:  # Windows keeps no such count
        return 0.0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / GIB
