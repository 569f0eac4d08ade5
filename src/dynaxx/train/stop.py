"""One stop for all processes of a training, after the same step."""

from __future__ import annotations

import signal

import torch

from dynaxx.engine.stop import Stop
from dynaxx.train.machine import Machine


def asked_anywhere(stop: Stop, machine: Machine) -> signal.Signals | None:
    """What any process was asked, so that all stop after the same step, for the same reason."""
    if machine.count == 1:
        return stop.asked
    number = machine.largest(torch.tensor(int(stop.asked or 0), device=machine.device))
    return signal.Signals(int(number)) if number else None
