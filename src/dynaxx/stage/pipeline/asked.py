"""A pipeline asked: for the samples of a batch, aside with other random numbers, or only for the levels of its walk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import torch

from dynaxx.noise.level import Level
from dynaxx.stage.pipeline.refused import refusals
from dynaxx.stage.pipeline.walk import Stopped, Walk, walking


@final
@dataclass(frozen=True)
class Asked:
    """A stage's pipeline on its device; `stage` is what errors name."""

    pipe: Any
    stage: str
    device: torch.device

    @property
    def scheduler(self) -> Any:
        """What the pipeline's walk is steered by; None for one that takes no steps."""
        return getattr(self.pipe, "scheduler", None)

    def ask(self, given: Mapping[str, Any]) -> Any:
        """Call the pipeline.

        Raises:
            RunError: if it refuses what it is called with, or its device fails.
        """
        with refusals(self.stage, self.device):
            return self.pipe(**given)

    def aside(self, given: Mapping[str, Any]) -> Any:
        """Call the pipeline as the samples will, with other random numbers: theirs are not drawn twice."""
        seeded = {"generator": [torch.Generator().manual_seed(0) for _ in given.get("generator", ())]}
        return self.ask({**given, **(seeded if "generator" in given else {})})

    def levels(self, given: Mapping[str, Any]) -> list[Level]:
        """The levels of the walk, by the pipeline itself: it is called, and left before its first step."""
        walk = Walk(rehearse=True)
        try:
            with walking(self.scheduler, walk):
                self.aside(given)
        except Stopped:
            pass
        return walk.levels
