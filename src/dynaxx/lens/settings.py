"""The settings of a run that are swept: levels, guidance, steps and start levels, each with the values to try."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

from dynaxx.lens.bench import Bench
from dynaxx.spec.graph import Node
from dynaxx.spec.process import TruncatedProcess
from dynaxx.spec.stage import DenoisingStage, EmpiricalStage, GaussianStage

SPREAD = (0.0, 0.1, 0.25, 0.5, 1.0)
"""Levels that are tried, as shares of the range that the stage was trained on."""
BEYOND = 2.0
"""Without a trained range, levels up to this many times the present one are tried."""
SCALES = (1.0, 0.5, 1.5)
"""Guidance that is tried: none, and these shares of the present one."""
STEPS, FEWEST = (0.25, 0.5, 2.0), 2
"""Steps that are tried, as shares of the present number, and the least of them."""
STARTS = (0.5, 2.0)
"""Start levels of a truncated process that are tried, as shares of the present one."""


@final
@dataclass(frozen=True)
class Setting:
    """A path below a node's stage, the values to try, and the one it has; `kind` is the fault of one that is off."""

    node: Node
    name: str
    path: str
    values: tuple[float, ...]
    now: float
    limits: tuple[float, float] | None = None
    unit: str = "std"
    kind: Literal["level", "guidance", "steps"] = "level"

    @property
    def key(self) -> str:
        """The last word of its path."""
        return self.path.split(".")[-1]

    @property
    def full(self) -> str:
        """Its path from the cascade on."""
        return f"{self.node.stage.name}.{self.path}"

    @property
    def probe(self) -> str:
        """The probe that its sweep belongs to."""
        return "level_sweep" if self.kind == "level" else self.kind

    def typed(self, value: float) -> float | int:
        """A value as the file has it: steps are whole numbers."""
        return int(value) if self.key == "steps" else value


def levels(node: Node) -> Setting | None:
    """The augmentation level of a node's low input, where noise is put on it."""
    given = node.inputs.get("low")
    if given is None or given.edge.noise is None or node.stage.repeat is not None or given.edge.hand == "noisy":
        return None
    noise, now = given.edge.noise, given.edge.std
    low, high = noise.train_std or (0.0, max(BEYOND * now, 0.1))
    if given.edge.via == "start":
        low = max(low, 0.05 * (high - low))  # at 0 nothing is left to denoise
    tried = sorted({round(low + share * (high - low), 6) for share in SPREAD} | {now})
    return Setting(node, "augmentation level", "inputs.low.noise.std", tuple(tried), now, noise.train_std)


def guidance(node: Node) -> Setting | None:
    """The guidance of a node that is guided."""
    if not isinstance(node.stage, DenoisingStage) or (now := node.stage.solver.guided.scale) == 1:
        return None
    tried = sorted({1.0, now, *(round(now * share, 4) for share in SCALES if share != 1)})
    path = "solver.guidance.scale" if node.stage.solver.guided.interval else "solver.guidance"
    return Setting(node, "guidance", path, tuple(tried), now, unit="scale", kind="guidance")


def steps(node: Node) -> Setting | None:
    """The number of steps of a node that walks."""
    if not isinstance(node.stage, DenoisingStage):
        return None
    now = node.stage.solver.steps
    tried = sorted({now, *(max(FEWEST, round(now * share)) for share in STEPS)})
    return Setting(node, "number of steps", "solver.steps", tuple(tried), now, unit="", kind="steps")


def starts(node: Node) -> Setting | None:
    """The start level of a truncated process; only of exact stages, since to others it is part of what was trained."""
    if not isinstance(node.stage, GaussianStage | EmpiricalStage):
        return None
    process = node.stage.process
    if not isinstance(process, TruncatedProcess):
        return None
    now = process.start
    tried = sorted({now, *(round(now * share, 6) for share in STARTS if now * share > process.end)})
    return Setting(node, "start level", "process.start", tuple(tried), now, kind="steps")


def settings(bench: Bench) -> Sequence[Setting]:
    """All that is swept: levels first, then guidance, steps and starts."""
    found = [swept(node) for swept in (levels, guidance, steps, starts) for node in bench.graph]
    return [setting for setting in found if setting is not None and len(setting.values) > 1]
