"""The network inside a stage: our U-Net, or any diffusers model in its place."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue, Tag, model_validator

from dynaxx.spec.base import Count, Positive, Share, Spec, kind_or


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


class TimestepsSpec(Spec):
    """The table by which a pretrained network was told levels: `steps` betas from `first` to `last`.

    `linear` and `scaled-linear` (linear in their square roots) as DDPM and Stable Diffusion have them; `cosine` needs
    no ends; `flow` is told 1000 t of a flow.
    """

    kind: Literal["linear", "scaled-linear", "cosine", "flow"]
    first: Positive = 1e-4
    last: Positive = 2e-2
    steps: Annotated[int, Field(ge=2)] = 1000


class DiffusersNetworkSpec(Spec):
    """Any diffusers model, adapted at the denoiser seam: by class with its own configuration, or pretrained.

    `load` is a folder as diffusers writes it, `config.json` beside safetensors: class and configuration come from there
    where they are not said, and weights until the stage has some of its own. `timesteps` says how it is told a level.
    """

    kind: Literal["diffusers"] = "diffusers"
    model: str = ""
    config: dict[str, JsonValue] = {}
    load: str | None = None
    timesteps: TimestepsSpec | None = None

    @model_validator(mode="after")
    def _known(self) -> DiffusersNetworkSpec:
        if not self.model and self.load is None:
            raise ValueError("neither `model` nor `load` says which network. Name a diffusers class, or a folder.")
        return self


NetworkSpec = Annotated[
    Annotated[UNetSpec, Tag("unet")] | Annotated[DiffusersNetworkSpec, Tag("diffusers")], kind_or("unet")
]
