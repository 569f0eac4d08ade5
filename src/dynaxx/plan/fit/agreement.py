"""One thing that two sides must agree on: what each says, and the way out where they do not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, final

from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.codec import CodecSpec
from dynaxx.spec.facts import Facts
from dynaxx.spec.grid import PIXELS, Grid
from dynaxx.spec.grids import Grids
from dynaxx.spec.stage import PipelineStage, StageSpec

Verdict = Literal["fits", "mismatch", "unknown"]


@final
@dataclass(frozen=True)
class Agreement:
    """What is `given` at a place and what is `wanted` there, in words; a fact that nobody states is `unknown`."""

    where: str
    edge: str
    about: str
    given: str
    wanted: str
    verdict: Verdict
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.edge}: {self.about}: {self.given}, but {self.wanted}. {self.fix}".strip()


@final
@dataclass(frozen=True)
class Place:
    """One pipeline in its cascade: its spec, its facts, the grids around it."""

    spec: CascadeSpec
    stage: PipelineStage
    facts: Facts
    grids: Grids
    all_facts: Mapping[str, Facts | None]

    @property
    def out(self) -> Grid | None:
        """The grid that it answers on."""
        return self.grids.outs[self.stage.name][0]

    @property
    def low(self) -> Grid | None:
        """The grid of its low input."""
        return self.grids.lows.get((self.stage.name, "low"))

    @property
    def above(self) -> StageSpec | None:
        """The stage whose answer is its low input."""
        low = self.stage.inputs.get("low")
        return next((s for s in self.spec.stages if low and s.name == low.parents[0]), None)

    def codec(self, grid: Grid | None) -> CodecSpec | None:
        """The codec whose latents lie on a grid; None for pixels."""
        return self.spec.codecs.get(grid.space) if grid is not None and grid.space != PIXELS else None

    def says(
        self, about: str, given: Any, wanted: Any, fix: str, *, key: str = "", fits: bool | None = None
    ) -> Agreement:
        """Hold two sides against each other; None on either is unknown."""
        unknown = given is None or wanted is None
        agree = given == wanted if fits is None else fits
        verdict: Verdict = "unknown" if unknown else "fits" if agree else "mismatch"
        index = [stage.name for stage in self.spec.stages].index(self.stage.name)
        where = f"stages.{index} ({self.stage.name})" + (f".{key}" if key else "")
        above = self.stage.inputs.get("low")
        reads = key.startswith("inputs") and above is not None
        edge = f"{' + '.join(above.parents)} -> {self.stage.name}" if reads and above else self.stage.name
        return Agreement(where, edge, about, _said(given), _said(wanted), verdict, "" if verdict == "fits" else fix)


Rule = Iterator[Agreement]
"""What a rule yields."""


def _said(value: Any) -> str:
    return "unknown" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
