"""The noise that a pipeline puts on its low input, listened to as it is put on: its level is measured, not believed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import torch
from torch import Tensor

from dynaxx.signal.device import double

NOISING = ("low_res_scheduler", "image_noising_scheduler")
"""What pipelines call the scheduler that puts noise on their low input."""


@contextmanager
def hearing(pipe: Any, heard: list[float]) -> Iterator[None]:
    """Listen for one call of a pipeline; `heard` takes the std of each noise that it puts on its low input."""
    scheduler = next((found for name in NOISING if (found := getattr(pipe, name, None)) is not None), None)
    if scheduler is None:
        yield
        return
    original = scheduler.add_noise

    @wraps(original)
    def add_noise(x: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        found: Tensor = original(x, noise, timesteps)
        if (std := std_put_on(x, noise, found)) is not None:
            heard.append(std)
        return found

    scheduler.add_noise = add_noise
    try:
        yield
    finally:
        vars(scheduler).pop("add_noise", None)


def std_put_on(x: Tensor, noise: Tensor, noised: Tensor) -> float | None:
    """The level of `noised = alpha x + sigma noise` as sigma / alpha, by least squares over all sites.

    None where that says nothing, as beside an input of zeros: to listen must not stop a run.
    """
    parts = double(torch.stack([x.flatten(), noise.flatten()]))
    found, wrong = torch.linalg.solve_ex(parts @ parts.T, parts @ double(noised.flatten()))
    alpha, sigma = found.tolist()
    return None if int(wrong) or not alpha else float(sigma / alpha)
