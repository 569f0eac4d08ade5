"""A whole cascade as data: stages joined by edges, what it is asked for, and what it may cost."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from dynaxx.spec.base import Name, Positive, Spec
from dynaxx.spec.codec import CodecSpec
from dynaxx.spec.condition import ConditionSpec
from dynaxx.spec.data import DataSpec
from dynaxx.spec.grid import InputSpec
from dynaxx.spec.problem import Violations
from dynaxx.spec.stage import StageSpec
from dynaxx.spec.wiring import violations


class BudgetSpec(Spec):
    """What a cascade may cost: to sample once, in memory, and to train."""

    latency_s: Positive | None = None
    memory_gib: Positive | None = None
    cost_usd: Positive | None = None
    train_hours: Positive | None = None
    train_cost_usd: Positive | None = None


class CascadeSpec(Spec):
    """A cascade file: `version`, `name`, and the stages in any order that their edges allow."""

    version: Literal[1] = 1
    name: Name
    description: str = ""
    condition: ConditionSpec = Field(default_factory=ConditionSpec)
    inputs: dict[Name, InputSpec] = {}
    codecs: dict[Name, CodecSpec] = {}
    data: DataSpec | None = None
    stages: Annotated[tuple[StageSpec, ...], Field(min_length=1, max_length=64)]
    budget: BudgetSpec | None = None

    @model_validator(mode="after")
    def _wired(self) -> CascadeSpec:
        if problems := violations(self):
            raise Violations(problems)
        return self
