"""One step of a cascade as data: its role, inputs, output grid and kind."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, Tag, model_validator

from dynaxx.spec.base import Name, NonNegative, Positive, Sizes, Spec, Std, kind_or
from dynaxx.spec.data import DataSpec
from dynaxx.spec.edge import EdgeSpec
from dynaxx.spec.grid import OutSpec
from dynaxx.spec.network import NetworkSpec, UNetSpec
from dynaxx.spec.process import CosineProcess, ProcessSpec
from dynaxx.spec.solver import SolverSpec
from dynaxx.spec.training import TrainingSpec

Role = Literal["base", "bridge", "refine"]
Prediction = Literal["x", "eps", "v", "u", "edm"]
TARGET_PATTERN = r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$"
SHORT = ("from", "merge")
"""Keys of `inputs.low` that may stand on the stage itself."""


class RepeatSpec(Spec):
    """Apply the stage to its own output `times` times; `std` gives the low input's level at each pass."""

    times: Annotated[int, Field(ge=1, le=64)]
    std: tuple[Std, ...] | None = None


class BaseStage(Spec):
    """What every kind of stage has. `from: base` is short for `inputs: {low: {from: base}}`.

    `tile` is the side, in sites of the low input, of the tiles that the stage works in where that is larger.
    """

    name: Name
    role: Role
    inputs: dict[Name, EdgeSpec] = {}
    out: OutSpec = Field(default_factory=OutSpec)
    repeat: RepeatSpec | None = None
    weights: str | None = None
    tile: Annotated[int, Field(ge=2)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_from(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "from" not in data:
            return data
        inputs = data.get("inputs") or {}
        if not isinstance(inputs, dict):
            return {key: value for key, value in data.items() if key != "from"}
        if "low" in inputs:
            raise ValueError("`from` and `inputs.low` say the same thing twice. Keep one of them.")
        if isinstance(data.get("weights"), list):
            raise ValueError(
                "`weights` of a merge are no key of a stage. Write `from`, `merge` and it in `inputs.low`."
            )
        edge = {key: data[key] for key in SHORT if key in data}
        rest = {key: value for key, value in data.items() if key not in edge}
        return {**rest, "inputs": {"low": edge, **inputs}}


class DenoisingStage(BaseStage):
    """A stage that walks from noise to its answer: it has a process and a solver."""

    process: ProcessSpec = Field(default_factory=CosineProcess)
    solver: SolverSpec = Field(default_factory=SolverSpec)


class DiffusionStage(DenoisingStage):
    """A trained diffusion stage. `prediction` is what the network answers with: v, or edm where the process is karras.

    On karras v would have the target eps - std x, which grows with the level.
    """

    kind: Literal["diffusion"] = "diffusion"
    network: NetworkSpec = Field(default_factory=UNetSpec)
    prediction: Prediction | None = None
    train: TrainingSpec | None = None

    @property
    def predicts(self) -> Prediction:
        """What the network answers with, said or not."""
        return self.prediction or ("edm" if self.process.kind == "karras" else "v")


class GaussianStage(DenoisingStage):
    """An exact stage for stationary Gaussian data with power spectrum P(k) = std^2 c / (k0^2 + |k|^2)^(exponent/2).

    c is set so that the variance per site is std^2 on `size`, the full grid of the data; |k| is in cycles per
    full extent. Smaller grids hold the `fourier` low-pass of the same signal.
    """

    kind: Literal["gaussian"] = "gaussian"
    size: Sizes
    exponent: NonNegative = 2.0
    knee: Positive = 1.0
    std: Positive = 0.5
    mean: float = 0.0


class EmpiricalStage(DenoisingStage):
    """An exact stage for a finite set of pictures: the posterior mean over all of them.

    `sharpness` says how strongly the prompt picks pictures: prior ~ exp(sharpness * match); `floor` is the
    least std of the low input's likelihood, since a clean input would leave no choice.
    """

    kind: Literal["empirical"] = "empirical"
    data: DataSpec
    sharpness: NonNegative = 30.0
    floor: Positive = 0.02


class RegressionStage(BaseStage):
    """One network evaluation from the inputs to the mean answer (the first half of CorrDiff, arXiv 2309.15214)."""

    kind: Literal["regression"] = "regression"
    network: NetworkSpec = Field(default_factory=UNetSpec)
    train: TrainingSpec | None = None


class GanStage(BaseStage):
    """A generator: one network evaluation from the inputs and fresh noise."""

    kind: Literal["gan"] = "gan"
    network: NetworkSpec = Field(default_factory=UNetSpec)
    train: TrainingSpec | None = None


class AdapterSpec(Spec):
    """A LoRA adapter of a pipeline: a folder, a file or a hub id, the file in it, and how strongly it counts."""

    load: str
    file: str | None = None
    weight: float = 1.0


class CacheSpec(Spec):
    """Answers kept from step to step by a denoising transformer.

    Where what its first block adds changes by less than `threshold` of itself, the other blocks add what they added
    at the step before.
    """

    kind: Literal["first-block"] = "first-block"
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.05


class PipelineStage(BaseStage):
    """Somebody's pretrained diffusers pipeline, by folder (beside the cascade file) or hub id.

    `pipeline` names another class than the folder's own; `scheduler` replaces settings of its scheduler, or with
    `kind` the scheduler itself; `call` is passed through to the call, negative prompt included. A level on an edge
    is put on by the pipeline itself, in its own unit. Guidance is on at levels in `guidance_interval` only, (low, high]
    in std (arXiv 2404.07724). `cache` trades exactness for fewer evaluations.
    """

    kind: Literal["pipeline"] = "pipeline"
    load: Annotated[str, Field(min_length=1)]
    pipeline: str | None = None
    variant: str | None = None
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    scheduler: dict[str, JsonValue] = {}
    call: dict[str, JsonValue] = {}
    adapters: tuple[AdapterSpec, ...] = ()
    guidance_interval: tuple[Std, Std] | None = None
    cache: CacheSpec | None = None

    @model_validator(mode="after")
    def _ordered(self) -> PipelineStage:
        if self.guidance_interval and self.guidance_interval[0] >= self.guidance_interval[1]:
            low, high = self.guidance_interval
            raise ValueError(
                f"guidance_interval [{low:g}, {high:g}] is empty. Give [low, high] in std, low below high."
            )
        return self


class CustomStage(BaseStage):
    """A user's own class by import path `package.module:Class`, called with `options`."""

    kind: Literal["custom"] = "custom"
    target: Annotated[str, Field(pattern=TARGET_PATTERN)]
    options: dict[str, JsonValue] = {}


FOREIGN = (PipelineStage, CustomStage)
"""Kinds of which the file cannot know what they do inside."""
TRAINABLE = (DiffusionStage, RegressionStage, GanStage)
"""Kinds with a network of ours and a `train` section."""

StageSpec = Annotated[
    Annotated[DiffusionStage, Tag("diffusion")]
    | Annotated[GaussianStage, Tag("gaussian")]
    | Annotated[EmpiricalStage, Tag("empirical")]
    | Annotated[RegressionStage, Tag("regression")]
    | Annotated[GanStage, Tag("gan")]
    | Annotated[PipelineStage, Tag("pipeline")]
    | Annotated[CustomStage, Tag("custom")],
    kind_or("diffusion"),
]
