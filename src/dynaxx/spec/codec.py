"""An autoencoder in whose latent space stages may work: where it lies, who it is, and how sizes follow."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from dynaxx.spec.base import Count, Spec
from dynaxx.spec.grid import AXES_BY_RANK

IDENTITY_PATTERN = r"^[0-9a-f]{16}$"
PerChannel = float | Annotated[tuple[float, ...], Field(min_length=1)]
"""A number for all channels, or one for each."""


class CodecSpec(Spec):
    """An autoencoder of diffusers: latent = (code - shift) * scale, the code being what its encoder answers with.

    `load` is a folder beside the cascade file, or a hub id with the subfolder after it. `id` is the autoencoder's
    identity, a hash of its configuration and weights: training writes it down, and another autoencoder is refused.
    `scale` and `shift` are the codec's own where they are left out. A latent site stands for `factor` sites of the
    signal along each axis; with `causal`, n latent sites in time stand for factor (n - 1) + 1. Encoding takes the
    posterior's mean, or a sample from it.
    """

    kind: Literal["diffusers"] = "diffusers"
    load: Annotated[str, Field(min_length=1)]
    id: Annotated[str, Field(pattern=IDENTITY_PATTERN)] | None = None
    channels: Count = 4
    signal_channels: Count = 3
    factor: Count | dict[str, Count] = 8
    causal: bool = False
    scale: PerChannel | None = None
    shift: PerChannel | None = None
    posterior: Literal["mean", "sample"] = "mean"

    @field_validator("scale", "shift")
    @classmethod
    def _can_be_undone(cls, value: PerChannel | None, info: ValidationInfo) -> PerChannel | None:
        key, channels = info.field_name, info.data.get("channels")
        numbers = value if isinstance(value, tuple) else (value,)
        if key == "scale" and 0 in numbers:
            raise ValueError("scale is 0, which leaves nothing of a latent. Leave it out: the codec knows its own.")
        if isinstance(value, tuple) and channels not in (None, len(value)):
            what = f"{key} has {len(value)} numbers for {channels} channels"
            raise ValueError(f"{what}. Give one per channel, or one for all.")
        return value

    def factors(self, axes: str) -> tuple[int, ...]:
        """The factor of each of these axes, 1 where a map leaves one out; axes that are not there count for nothing."""
        if isinstance(self.factor, int):
            return (self.factor,) * len(axes)
        by_axis = {axis: factor for group, factor in self.factor.items() for axis in group}
        return tuple(by_axis.get(axis, 1) for axis in axes)

    def decoded(self, size: tuple[int, ...]) -> tuple[int, ...]:
        """The size of the signal that latents of this size stand for."""
        axes = AXES_BY_RANK[len(size)]
        return tuple(
            (n - 1) * factor + 1 if self.causal and axis == "t" else n * factor
            for n, factor, axis in zip(size, self.factors(axes), axes, strict=True)
        )

    def encoded(self, size: tuple[int, ...]) -> tuple[int, ...] | None:
        """The size of a signal's latents; None where it is no whole number of sites."""
        axes = AXES_BY_RANK[len(size)]
        found = tuple(
            (n - 1) // factor + 1 if self.causal and axis == "t" else n // factor
            for n, factor, axis in zip(size, self.factors(axes), axes, strict=True)
        )
        return found if min(found) > 0 and self.decoded(found) == size else None
