"""Networks whose time and answers levers change by as much as they say, on a clock that they move themselves."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dynaxx.stage.levers import timed as clocked
from dynaxx.stage.levers.captured import Call
from dynaxx.stage.levers.choose import choose
from dynaxx.stage.levers.lever import Lever, Undo
from dynaxx.stage.levers.table import LEVERS


class Clock:
    """A clock that stands still but for what networks say that they take."""

    now_s = 0.0

    def perf_counter(self) -> float:
        return self.now_s


CLOCK = Clock()


class Slow(nn.Module):
    """A network whose time and answer levers can change."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.pause, self.shift = nn.Parameter(torch.ones(1)), 8.0, 0.0

    def forward(self, x: Tensor, *, scale: float) -> tuple[Tensor]:
        CLOCK.now_s += self.pause
        return (self.weight * x * scale + self.shift,)


def changing(pause: float, shift: float = 0.0) -> Any:
    """A lever by which the network takes so long, and answers so."""

    def pull(network: Any) -> Undo:
        before = network.pause, network.shift
        network.pause, network.shift = pause, shift

        def undo() -> None:
            network.pause, network.shift = before

        return undo

    return pull


def nothing(network: Any) -> Undo:
    return lambda: None


CALL = Call((torch.ones(2, 3),), {"scale": 2.0})


def tried(
    monkeypatch: pytest.MonkeyPatch, network: nn.Module | None = None, **levers: Lever
) -> dict[str, tuple[float, float | None, bool]]:
    for name, lever in levers.items():
        monkeypatch.setitem(LEVERS, name, lever)
    monkeypatch.setattr(clocked, "time", CLOCK)
    found = choose(network or Slow(), CALL, tuple(levers), moves=False)
    return {name: (trial.speed, trial.error, trial.kept) for name, trial in found.items()}
