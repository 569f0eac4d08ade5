"""The training loop: a generator of steps; progress, logs, checkpoints and pictures belong to the caller."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor

from dynaxx.errors import RunError
from dynaxx.signal.random import Draws
from dynaxx.stage.diffusion import Diffusion
from dynaxx.train.fitting import Fitting, Trainable
from dynaxx.train.optimise import learning_rate
from dynaxx.train.pairs import Batch, Pairs
from dynaxx.train.step import TrainStep, by_level

PATIENCE = 8
"""As many steps in a row may fail before the training does."""
SPIKE, SETTLED, MEMORY = 8.0, 20, 0.95
"""A gradient's norm is a spike where it is so many times the usual one, after so many steps; how much of the usual one
is left after a step."""
SHOWN = 5
"""How many samples an error names."""


@final
@dataclass(frozen=True)
class Passed:
    """What one step's evaluations gave: the mean loss, the gradient's norm, losses by level of noise, the samples."""

    loss: float
    grad_norm: float
    by_level: dict[str, float]
    ids: tuple[str, ...]
    """Those of this process."""

    @property
    def finite(self) -> bool:
        """Whether loss and gradient are numbers."""
        return abs(self.loss) < float("inf") and self.grad_norm < float("inf")


@final
@dataclass(frozen=True)
class Strange:
    """A step that was skipped, or whose gradient was far above the `usual` norm, and its samples."""

    event: Literal["skipped", "spike"]
    usual: float
    passed: Passed
    ids: tuple[str, ...]


def fit(fitting: Fitting, pairs: list[Pairs]) -> Iterator[TrainStep]:
    """Train to `train.steps`, one optimiser step at a time, from wherever `fitting` stands.

    A stage that is repeated has pairs for each of its passes, which take turns. A step whose loss or gradient is no
    number is skipped and counted.

    Raises:
        RunError: naming the samples, where several steps in a row had to be skipped.
    """
    fitting.stage.network.train()
    with ThreadPoolExecutor(1) as pool:
        upcoming = pool.submit(_batches, fitting, pairs, fitting.step)
        while fitting.step < fitting.train.steps:
            start = time.perf_counter()
            batches = upcoming.result()
            upcoming = pool.submit(_batches, fitting, pairs, fitting.step + 1)
            rate = learning_rate(fitting.train.optimizer, fitting.step, fitting.train.steps)
            passed = _evaluate(fitting, batches)
            strange = _strange(fitting, passed)
            _take(fitting, passed, rate)
            if fitting.failed >= PATIENCE:
                raise _diverged(fitting, strange)
            yield _told(fitting, passed, rate, time.perf_counter() - start, strange)


def _batches(fitting: Fitting, pairs: list[Pairs], step: int) -> list[Batch]:
    """This process's batches of a step, one per accumulated part."""
    size, first = fitting.train.batch_size, step * fitting.batch
    makers = pairs[step % len(pairs)]
    parts = range(first, first + fitting.batch, size)
    return [makers.batch(fitting.machine.mine(start, size)) for start in parts] if step < fitting.train.steps else []


def _evaluate(fitting: Fitting, batches: list[Batch]) -> Passed:
    """Gradients of the mean loss over all parts and processes, clipped."""
    machine, optimiser = fitting.machine, fitting.optimiser
    _seed(fitting)
    losses = list[Tensor]()
    for batch in batches:
        with machine.mixed():
            each = losses_of(fitting.stage, batch)
        losses.append(each.detach())
        optimiser.scaler.scale(each.mean() / len(batches)).backward()
    machine.average_gradients(optimiser.parameters)
    norm, every = optimiser.clip(), torch.cat(losses)
    loss = machine.mean(every.mean())
    ids = tuple(name for batch in batches for name in batch.ids)
    return Passed(loss.item(), norm.item(), _by_level(fitting, batches, every), ids)


def losses_of(stage: Trainable, batch: Batch) -> Tensor:
    """The loss of each sample, `(B,)`."""
    if isinstance(stage, Diffusion):
        return stage.loss(batch.x, batch.t, batch.eps, batch.inputs, batch.condition)
    return stage.loss(batch.x, batch.inputs, batch.condition)


def _by_level(fitting: Fitting, batches: list[Batch], losses: Tensor) -> dict[str, float]:
    if not isinstance(fitting.stage, Diffusion):
        return {}
    logsnr = fitting.stage.process.level(torch.cat([batch.t for batch in batches])).logsnr
    assert isinstance(logsnr, Tensor)
    return by_level(fitting.machine.all_of(losses), fitting.machine.all_of(logsnr))


def _strange(fitting: Fitting, passed: Passed) -> Strange | None:
    """What is strange about a step, and over which samples of all processes; the usual norm takes the step in."""
    usual, norm = fitting.usual, passed.grad_norm
    spike = passed.finite and fitting.step >= SETTLED and norm > SPIKE * usual > 0
    if passed.finite:
        fitting.usual = MEMORY * usual + (1 - MEMORY) * (SPIKE * usual if spike else norm) if usual else norm
    if passed.finite and not spike:
        return None
    return Strange("spike" if spike else "skipped", usual, passed, fitting.machine.all_names(passed.ids))


def _take(fitting: Fitting, passed: Passed, rate: float) -> None:
    """Change weights and average by what passed, or skip it; count it either way."""
    fitting.step += 1
    fitting.images += fitting.batch
    if passed.finite:
        fitting.failed = 0
        fitting.optimiser.step(rate)
        fitting.ema.update(fitting.images, fitting.batch)
    else:
        fitting.skipped += 1
        fitting.failed += 1
        fitting.optimiser.skip()


def _seed(fitting: Fitting) -> None:
    """Dropout's numbers: a function of (seed, stage, step, process)."""
    draws = Draws(fitting.train.seed, fitting.stage.spec.name, (fitting.step,))
    torch.manual_seed(int(draws.bits("torch", (1,), draw=fitting.machine.rank)))


def _told(fitting: Fitting, passed: Passed, rate: float, seconds: float, strange: Strange | None) -> TrainStep:
    return TrainStep(
        stage=fitting.stage.spec.name, step=fitting.step, steps=fitting.train.steps, loss=passed.loss,
        grad_norm=passed.grad_norm, lr=rate, images=fitting.images, images_per_s=fitting.batch / seconds,
        skipped=fitting.skipped, by_level=passed.by_level, event=strange.event if strange else "",
        usual=strange.usual if strange else 0.0, samples=strange.ids if strange else (),
    )  # fmt: skip


def _diverged(fitting: Fitting, strange: Strange | None) -> RunError:
    assert strange is not None
    passed, names = strange.passed, list(dict.fromkeys(strange.ids))
    shown = ", ".join(names[:SHOWN])
    problem = (
        f"the loss is {passed.loss:g} and the gradient's norm {passed.grad_norm:g} in {PATIENCE} steps in a row, "
        f"the last over samples {shown}{', ...' if len(names) > SHOWN else ''}."
    )
    fix = "Look at these samples; or lower train.optimizer.lr, which is another training: choose another --out for it."
    return RunError(f"stage {fitting.stage.spec.name!r}, step {fitting.step}", problem, fix)
