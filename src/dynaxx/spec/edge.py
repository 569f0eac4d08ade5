"""How one stage's output becomes another's input: merge, resize, noise or blur, hand-over."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from dynaxx.spec.base import Share, Spec, Std

Kernel = Literal[
    "nearest", "area", "bilinear", "bilinear-antialias", "bilinear-corners",
    "bicubic", "bicubic-antialias", "lanczos", "fourier",
]  # fmt: skip
"""How a signal is resampled along an axis; published cascades differ in it and break on each other's."""
DEFAULT_KERNEL: Kernel = "bicubic-antialias"
BlurStd = Annotated[float, Field(ge=0, le=1e4, allow_inf_nan=False)]


class Ranged(Spec):
    """A corruption with the range it is trained on and the strength it is run at."""

    train_std: tuple[Std, Std] | None = None
    std: Std = 0.0
    told: bool = True

    @model_validator(mode="after")
    def _ordered(self) -> Any:
        if self.train_std and self.train_std[0] > self.train_std[1]:
            low, high = self.train_std
            raise ValueError(f"train_std [{low:g}, {high:g}] is empty. Give [low, high], low first.")
        return self


class EdgeNoise(Ranged):
    """Noise put on an input so that the stage survives upstream faults (CDM, arXiv 2106.15282).

    `form`: `exploding` is low + std eps; `preserving` divides that by sqrt(1 + std^2). `at`: before (`low`)
    or after (`high`) upsampling. `redraw`: one draw for the run (`once`), or a fresh one per network
    evaluation (`step`). `told`: whether the stage is given the level.
    """

    at: Literal["low", "high"] = "high"
    redraw: Literal["once", "step"] = "once"
    form: Literal["exploding", "preserving"] = "exploding"


class EdgeBlur(Ranged):
    """Gaussian blur put on an input; `std` is its width in sites of the low grid."""

    train_std: tuple[BlurStd, BlurStd] | None = None
    std: BlurStd = 0.0


class EdgeSpec(Spec):
    """One input of a stage: where it comes from and what is done to it on the way.

    `from` names a stage, several stages, or `input.<name>`. `merge` joins several. `via`: `concat` hands the
    signal to the denoiser beside x_t; `start` begins denoising at it (SDEdit, arXiv 2108.01073). `hand: noisy`
    passes the upstream's state on unfinished at level `hand_std`, to be finished here. `resize_in` says in which space
    an edge to or from latents works; left out, in the stage's own where no parent lies elsewhere, and else in pixels.
    """

    from_: str | Annotated[tuple[str, ...], Field(min_length=1)] = Field(alias="from")
    merge: Literal["concat", "mean", "weighted", "mask", "bands"] | None = None
    weights: tuple[float, ...] | None = None
    mask: str | None = None
    cutoff: Share | None = None
    resize: Kernel | dict[str, Kernel] = DEFAULT_KERNEL
    resize_in: Literal["pixels", "latents"] | None = None
    noise: EdgeNoise | None = None
    blur: EdgeBlur | None = None
    via: Literal["concat", "start"] = "concat"
    hand: Literal["clean", "noisy"] = "clean"
    hand_std: Std | None = None

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, data: Any) -> Any:
        """`low: base` is short for `low: {from: base}`."""
        return {"from": data} if isinstance(data, str) else data

    @field_validator("from_")
    @classmethod
    def _one_is_one(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        return value[0] if isinstance(value, tuple) and len(value) == 1 else value

    @field_validator("resize")
    @classmethod
    def _default_is_default(cls, value: Any) -> Any:
        return DEFAULT_KERNEL if isinstance(value, dict) and set(value.values()) <= {DEFAULT_KERNEL} else value

    @property
    def parents(self) -> tuple[str, ...]:
        """The names this edge comes from, one or several."""
        return (self.from_,) if isinstance(self.from_, str) else self.from_

    @property
    def std(self) -> float:
        """The noise level of the edge at run time, 0 where no noise is put on."""
        return self.noise.std if self.noise else 0.0

    @property
    def level(self) -> float | None:
        """The std that the input bears, put on it or handed over with it; None where neither is."""
        return self.hand_std if self.hand == "noisy" else self.noise.std if self.noise else None

    @property
    def blur_std(self) -> float:
        """The blur of the edge at run time, 0 where none is put on."""
        return self.blur.std if self.blur else 0.0
