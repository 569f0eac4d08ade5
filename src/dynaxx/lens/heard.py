"""A stage listened to while it runs: the state in which its walk begins, and the noise that came on its low input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor

from dynaxx.lens.bench import Bench
from dynaxx.noise.level import Level
from dynaxx.noise.solve.step import Step
from dynaxx.spec.graph import Node


@final
@dataclass(frozen=True)
class Heard:
    """`x_t` is the state at the first step and `level` what it is taken for; None where no steps are taken.

    `call` is what a wrapped pipeline was called with, and its `put_on_std` what it put on its low input.
    """

    x_t: Tensor | None = None
    level: Level | None = None
    call: Mapping[str, Any] = field(default_factory=dict)

    @property
    def std(self) -> float | None:
        """The level at which the walk begins, as it is taken for."""
        return None if self.level is None else float(self.level.std)

    @property
    def put_on(self) -> float | None:
        """The std of the noise on the low input, measured as it was put on."""
        return self.call.get("put_on_std")


def heard(bench: Bench, node: Node, *, rows: int) -> Heard:
    """Run a node on the first `rows` samples, and listen; what is handed over unfinished comes from above itself."""
    taps, first = bench.taps, list[Step]()

    def listen(name: str, step: Step) -> None:
        if name == node.name and step.index == 0:
            first.append(step)

    given = {name: x[:rows] for name, x in taps.given.items()}
    if node.inputs["low"].edge.hand == "clean":
        given |= {name: bench.given[name][:rows] for name in node.parents}
    taps.kept.made += 1  # no digest says what is heard, so that it is run every time
    asked, labels = list(taps.prompts[:rows]), list(taps.labels[:rows])
    drawn = taps.cascade.sample(
        asked or None, labels=labels or None, num=1 if asked or labels else rows, seed=taps.seed,
        ids=range(rows), given=given, until=node.name, on_step=listen,
    )  # fmt: skip
    calls = next(record.calls for record in drawn.trace.nodes if record.name == node.name)
    call = calls[0] if calls else {}
    if not first:
        return Heard(call=call)
    return Heard(torch.cat([step.x_t for step in first]).cpu(), first[0].level, call)
