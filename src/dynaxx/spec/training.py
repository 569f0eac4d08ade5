"""How a stage is trained: optimiser, accumulation, loss weighting, level sampling, EMA."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dynaxx.spec.base import Count, NonNegative, Positive, Share, Sizes, Spec


class OptimizerSpec(Spec):
    """AdamW with linear warm-up and an optional cosine decay to zero."""

    kind: Literal["adamw"] = "adamw"
    lr: Positive = 3e-4
    betas: tuple[Share, Share] = (0.9, 0.99)
    weight_decay: NonNegative = 0.01
    warmup_steps: Annotated[int, Field(ge=0)] = 500
    decay: Literal["none", "cosine"] = "none"
    clip_norm: Positive | None = 1.0


class LossSpec(Spec):
    """The weight of a level in the loss on clean estimates.

    `v`: SNR + 1; `eps`: SNR; `min-snr`: min(SNR, gamma) (arXiv 2303.09556); `sigmoid`: sigmoid weighting with
    bias (arXiv 2410.19324); `edm`: (std^2 + std_data^2) / (std std_data)^2 (arXiv 2206.00364).
    """

    weight: Literal["v", "eps", "min-snr", "sigmoid", "edm"] = "v"
    gamma: Positive = 5.0
    bias: float = 2.0


class LevelSamplingSpec(Spec):
    """How training levels are drawn: uniform in t, stratified over the batch, or log-normal in std."""

    kind: Literal["uniform", "stratified", "lognormal"] = "stratified"
    mean: float = -1.2
    std: Positive = 1.2


class EmaSpec(Spec):
    """An exponential moving average of the weights, by half-life in images, ramped up early (arXiv 2312.02696)."""

    half_life_images: Count = 50_000
    ramp: Share = 0.05


class TrainingSpec(Spec):
    """The training of one stage. `generated` is the share of low inputs taken from the frozen upstream's output.

    `draw`: every sample once per epoch (`uniform`), or every group once, with one of its members (`by-group`).
    `batch_size` counts over all processes, per accumulated part. `part`: what of the data the stage learns from, all
    of it or only what `data.withheld` leaves, so that some stages may know what others have never seen.
    """

    steps: Count = 10_000
    batch_size: Count = 64
    accumulate: Count = 1
    draw: Literal["uniform", "by-group"] = "uniform"
    part: Literal["used", "all"] = "used"
    optimizer: OptimizerSpec = Field(default_factory=OptimizerSpec)
    loss: LossSpec = Field(default_factory=LossSpec)
    levels: LevelSamplingSpec = Field(default_factory=LevelSamplingSpec)
    ema: EmaSpec | None = Field(default_factory=EmaSpec)
    generated: Share = 0.0
    crop: Sizes | None = None
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    gradient_checkpointing: bool = False
    seed: Annotated[int, Field(ge=0)] = 0
