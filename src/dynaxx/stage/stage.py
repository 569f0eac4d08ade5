"""The stage boundary: what the engine asks of one step of a cascade, and nothing more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from dynaxx.noise.denoiser import Input
from dynaxx.noise.solve.step import Step
from dynaxx.signal.random import Draws
from dynaxx.spec.grid import Grid
from dynaxx.spec.stage import StageSpec
from dynaxx.stage.condition import Condition

OnStep = Callable[[Step], None]
OnCall = Callable[[Mapping[str, Any]], None]
"""Called with what a foreign call is made with, seeds included, so that a hand-written script can repeat it."""


@dataclass(frozen=True)
class Request:
    """One batch for one stage: its spec at this run, the grid to answer on, inputs, condition, randomness.

    `spec` may differ from what the stage was built with in run-time settings only (solver, levels). `stop_std` ends
    the walk early, at that level, and hands the unfinished state on. `levers` are what may be tried to be faster.
    """

    spec: StageSpec
    grid: Grid
    inputs: Mapping[str, Input]
    condition: Condition
    draws: Draws
    device: torch.device = torch.device("cpu")
    dtype: torch.dtype = torch.float32
    on_step: OnStep | None = None
    on_call: OnCall | None = None
    stop_std: float | None = None
    levers: tuple[str, ...] = ()


@runtime_checkable
class Stage(Protocol):
    """One step of a cascade. Its loop is its own; progress, logs and taps come through `on_step`."""

    def run(self, request: Request) -> Tensor:
        """Answer with a tensor of shape `(B, *request.grid.shape)`, B = len(request.draws.ids)."""

    def to(self, device: torch.device) -> None:
        """Move what the stage holds in memory to `device`."""


@runtime_checkable
class Fetched(Protocol):
    """A stage that opens its weights when they are needed, and lets go of them after."""

    def fetch(self, device: torch.device, texts: Sequence[str]) -> None:
        """Bring to `device` what these prompts need."""

    def holds(self, device: torch.device) -> bool:
        """Whether the weights are there already, so that `fetch` would move none."""

    def evict(self) -> None:
        """Let go of all that `fetch` brought."""

    def ahead(self, device: torch.device, room_bytes: int | None) -> None:
        """Begin to bring the weights that will be fetched next, and return at once.

        To the device only where `room_bytes` (None: as much as there is) leave room for them, else nearer to it.
        """

    @property
    def weights_bytes(self) -> int | None:
        """What `fetch` holds in memory for as long as the stage runs; None where that is not known."""


@runtime_checkable
class MadeReady(Protocol):
    """A stage whose libraries are imported late, and whose files may be missing."""

    def make_ready(self) -> None:
        """Import what it runs with, and see that its files are there, before anything is timed or drawn."""


@runtime_checkable
class EncodesPrompts(Protocol):
    """A stage with encoders of its own, which come to the device before any stage's weights do."""

    def encodes(self, device: torch.device, texts: Sequence[str]) -> bool:
        """Whether encoders will be needed on `device`, and the weights of stages would lie there beside them."""

    def encode_prompts(self, device: torch.device, texts: Sequence[str]) -> None:
        """Encode these prompts, keep what comes of it, and drop the encoders."""


@runtime_checkable
class Streams(Protocol):
    """A stage that can run without ever holding its weights whole."""

    def stream(self, device: torch.device, texts: Sequence[str]) -> None:
        """Make ready to bring weights to `device` block by block, as they are needed."""


@runtime_checkable
class LoadsWeights(Protocol):
    """A stage that can take up what it once kept in a cascade folder."""

    def load(self, folder: Path) -> None:
        """Read what `save` wrote."""


@runtime_checkable
class SavesWeights(Protocol):
    """A stage that has something of its own to keep in a cascade folder."""

    def save(self, folder: Path) -> None:
        """Write weights and configuration into `folder`."""
