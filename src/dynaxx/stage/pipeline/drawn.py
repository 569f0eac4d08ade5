"""Noise of a walk's next step drawn on the CPU while a device works: the very numbers that would be drawn in its turn.

Samples have generators of the CPU, so that a picture is the same on every device. Schedulers that add noise draw it at
each step, for one sample after another, 2.5 to 4 ns a number, and a device waits for them meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any, final

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from dynaxx.signal.device import apart


@final
@dataclass(frozen=True)
class Guess:
    """What a generator is taken to be asked for next: from its state `before`, by its double."""

    asked: Any
    before: Tensor
    double: torch.Generator
    drawn: Future[Tensor]


@final
class Ahead(TorchFunctionMode):
    """While it is entered, what generators are asked for has been drawn, if it is what they were asked for before.

    A guess is drawn by a double, so that a generator which is asked for something else, here or elsewhere, answers as
    if there had been none.
    """

    def __init__(self, generators: Sequence[torch.Generator], pool: ThreadPoolExecutor) -> None:
        super().__init__()
        self._generators, self._pool = {id(one) for one in generators}, pool
        self._guesses: dict[int, Guess] = {}
        self.right = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call `func`, or answer in its place."""
        given = dict(kwargs or {})
        generator = given.pop("generator", None)
        if func is not torch.randn or id(generator) not in self._generators:
            return func(*args, **(kwargs or {}))
        return self._drawn(generator, partial(func, *args, **given), (args, given))

    def _drawn(self, generator: torch.Generator, draw: Callable[..., Tensor], asked: Any) -> Tensor:
        guess = self._guesses.pop(id(generator), None)
        if guess is not None and guess.asked == asked and torch.equal(guess.before, generator.get_state()):
            found = guess.drawn.result()
            generator.set_state(guess.double.get_state())
            self.right += 1
        else:
            found = draw(generator=generator)
        double, before = torch.Generator(), generator.get_state()
        double.set_state(before)
        self._guesses[id(generator)] = Guess(asked, before, double, self._pool.submit(draw, generator=double))
        return found


@contextmanager
def drawing_ahead(
    scheduler: Any, generators: Sequence[torch.Generator], device: torch.device
) -> Iterator[Ahead | None]:
    """Have a scheduler's steps find their noise drawn, for one call of a pipeline on a device that works by itself."""
    if scheduler is None or not generators or not apart(device):
        yield None
        return
    step, own = scheduler.step, "step" in vars(scheduler)
    with ThreadPoolExecutor(1) as pool:
        ahead = Ahead(generators, pool)

        @wraps(step)  # pipelines look at the signature
        def drawing(*args: Any, **given: Any) -> Any:
            with ahead:
                return step(*args, **given)

        scheduler.step = drawing
        try:
            yield ahead
        finally:
            pool.shutdown(cancel_futures=True)  # no guess that nobody will ask for is drawn; one may be under way
            vars(scheduler).pop("step")
            if own:
                scheduler.step = step
