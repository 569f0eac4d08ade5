"""Levers chosen by trying: each is timed on a real call, and kept where that is faster and answers the same."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor, nn

from dynaxx.stage.levers.captured import Call
from dynaxx.stage.levers.lever import Lever, Undo, as_held
from dynaxx.stage.levers.table import LEVERS
from dynaxx.stage.levers.timed import TooSlow, timed

FASTER = 1.03
"""The least speed, over that without, for which a lever is kept."""
AGREES = {torch.float32: 1e-3, torch.float16: 0.05, torch.bfloat16: 0.3}
"""How far answers may differ, relative to their size, to be the same up to rounding."""


@final
@dataclass(frozen=True)
class Trial:
    """What came of a lever.

    `speed` is over that before, 0 where it failed; `error` the largest difference from the answer without any lever,
    over that answer's root mean square, None where there was no answer.
    """

    speed: float
    error: float | None
    kept: bool


@torch.no_grad()
def choose(network: nn.Module, call: Call, names: tuple[str, ...], *, moves: bool) -> dict[str, Trial]:
    """Pull the levers `names` that make the network faster; gives what came of each that was tried.

    `moves` says whether weights will be moved. What fails, takes too long, or answers otherwise is undone; all is where
    this is interrupted.
    """
    before_s, truth = timed(network, call)
    pulled = list[tuple[str, Undo]]()
    with _all_or_none(network, pulled):
        return _chosen(network, call, (before_s, truth), names, pulled, moves=moves)


@torch.no_grad()
def pull(network: nn.Module, trials: Mapping[str, Trial]) -> None:
    """Pull again what was found to be faster, all or none: the network is opened anew, or another of the same kind."""
    pulled = list[tuple[str, Undo]]()
    with _all_or_none(network, pulled):
        for name, trial in trials.items():
            if trial.kept:
                pulled.append((name, LEVERS[name].pull(network)))


@contextmanager
def _all_or_none(network: nn.Module, pulled: Sequence[tuple[str, Undo]]) -> Iterator[None]:
    """Have a network as it was before, without what was `pulled`, where this is left by any exception."""
    held = as_held(network)
    try:
        yield
    except BaseException:  # an interruption too: the next call would take what is half-way for the truth
        for _, undo in reversed(pulled):
            undo()
        held()
        raise


def _chosen(
    network: nn.Module,
    call: Call,
    before: tuple[float, Tensor],
    names: tuple[str, ...],
    pulled: list[tuple[str, Undo]],
    *,
    moves: bool,
) -> dict[str, Trial]:
    """What came of each lever; those that are kept are put into `pulled`."""
    (before_s, truth), trials = before, dict[str, Trial]()
    for name in [name for name in LEVERS if name in names and _suits(LEVERS[name], network, moves)]:
        rival = pulled.pop() if pulled and LEVERS[pulled[-1][0]].group == LEVERS[name].group != "" else None
        if rival:
            rival[1]()
        allowed = max([AGREES.get(truth.dtype, 1e-3), *(LEVERS[other].within for other, _ in [*pulled, (name, None)])])
        trials[name], undo = _tried(network, call, LEVERS[name], before_s, truth, allowed)
        if trials[name].kept:
            before_s /= trials[name].speed
            pulled.append((name, undo))
            trials |= {rival[0]: replace(trials[rival[0]], kept=False)} if rival else {}
            continue
        undo()
        if rival and (again := _again(network, rival[0])) is not None:
            pulled.append((rival[0], again))
        elif rival:
            before_s *= trials[rival[0]].speed
            trials[rival[0]] = replace(trials[rival[0]], kept=False)
    return trials


def _suits(lever: Lever, network: nn.Module, moves: bool) -> bool:
    kind = next(network.parameters()).device.type
    return (not lever.on or kind in lever.on) and (lever.moves or not moves) and lever.fits(network)


def _tried(
    network: nn.Module, call: Call, lever: Lever, before_s: float, truth: Tensor, allowed: float
) -> tuple[Trial, Undo]:
    """What came of a lever, and the way back; a lever is no reason to fail, be it for memory."""
    held, undo = as_held(network), _nothing
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            undo = lever.pull(network)
            took_s, answer = timed(network, call, math.inf if lever.slow_start else before_s)
    except TooSlow as slow:
        return Trial(before_s / slow.took_s, None, False), undo
    except BaseException as caught:  # compilers, kernels and foreign code fail in their own ways
        undo()
        held()  # what was changed before it failed
        if not isinstance(caught, Exception):
            raise
        return Trial(0.0, None, False), _nothing
    speed, error = before_s / took_s, _apart(answer, truth)
    return Trial(speed, error, speed >= FASTER and error is not None and error <= allowed), undo


def _again(network: nn.Module, name: str) -> Undo | None:
    """Pull a lever that was undone for another one; None, and all as without it, where it fails this time."""
    held = as_held(network)
    try:
        return LEVERS[name].pull(network)
    except Exception:  # most likely for memory, which may be scarcer than when it was tried
        held()
        return None


def _nothing() -> None:
    """Nothing was changed."""


def _apart(x: Tensor, truth: Tensor) -> float | None:
    """The largest difference, over the truth's root mean square; None where it is no number."""
    size = max(float(truth.float().square().mean().sqrt()), 1e-6)
    found = float((x.float() - truth.float()).abs().max()) / size
    return found if math.isfinite(found) else None
