"""How a cascade runs: device, precision, batches, placement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final, get_args

import torch

from dynaxx.errors import UsageError
from dynaxx.plan.events import Placement


@final
@dataclass(frozen=True)
class Runtime:
    """How a cascade runs; none of it changes a sample by more than rounding, but for `size`.

    Args:
        device: `cpu`, `cuda`, `cuda:1`, ...; a GPU is taken where there is one.
        dtype: of the state.
        batch_size: samples that pass a stage at once.
        placement: `resident`, or `one-at-a-time` to hold the weights of a single stage on the device.
        size: of the base grid, where the cascade file fixes none, or in its place.
        allow_download: whether a text encoder that is not on this machine may be fetched.

    Raises:
        UsageError: if a value cannot be meant, or the device is not there.
    """

    device: str | None = None
    dtype: torch.dtype = torch.float32
    batch_size: int = 64
    placement: Placement = "resident"
    size: tuple[int, ...] | None = None
    allow_download: bool = False

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise UsageError("batch_size", f"is {self.batch_size}.", "Give 1 or more.")
        if self.placement not in get_args(Placement):
            raise UsageError(
                "placement", f"{self.placement!r} is unknown.", f"Known: {', '.join(get_args(Placement))}."
            )
        try:
            torch.empty(0, device=self.on)
        except (RuntimeError, AssertionError) as error:
            reason = str(error).strip().splitlines()[0]
            raise UsageError(
                "device", f"{self.device!r} cannot be used ({reason}).", "Name another, or none."
            ) from error

    @property
    def on(self) -> torch.device:
        """The device, with its number where it has one."""
        device = torch.device(self.device or ("cuda" if torch.cuda.is_available() else "cpu"))
        bare = str(device) == "cuda" and torch.cuda.is_available()
        return torch.device("cuda", torch.cuda.current_device()) if bare else device


DEFAULT = Runtime()
