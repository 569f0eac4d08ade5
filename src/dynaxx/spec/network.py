"""The network inside a stage: our U-Net, or any diffusers model in its place."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue, Tag

from dynaxx.spec.base import Count, Share, Spec, kind_or


class UNetSpec(Spec):
    """A small U-Net over one to three axes that is told levels, labels and text.

    `mults` multiplies `width` per resolution, finest first; `attention` lists the resolutions (by index, 0 the
    finest) that attend to themselves and to the text.
    """

    kind: Literal["unet"] = "unet"
    width: Count = 64
    mults: Annotated[tuple[Count, ...], Field(min_length=1)] = (1, 2, 2)
    blocks: Count = 2
    attention: tuple[int, ...] = (2,)
    head_dim: Count = 32
    dropout: Share = 0.0


class DiffusersNetworkSpec(Spec):
    """Any diffusers model class by name, with its own configuration, adapted at the denoiser seam."""

    kind: Literal["diffusers"] = "diffusers"
    model: str
    config: dict[str, JsonValue] = {}


NetworkSpec = Annotated[
    Annotated[UNetSpec, Tag("unet")] | Annotated[DiffusersNetworkSpec, Tag("diffusers")], kind_or("unet")
]
