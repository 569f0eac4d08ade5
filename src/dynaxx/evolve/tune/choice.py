"""What may be chosen for a stage: settings of a run by path, and which of them are tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from dynaxx.lens.settings import levels
from dynaxx.plan.wrapped import limitable
from dynaxx.spec.graph import Node
from dynaxx.spec.solver import GuidanceSpec, SolverSpec
from dynaxx.spec.stage import DenoisingStage, PipelineStage

PACES = (1.0, 2 / 3, 1 / 2, 1 / 3, 1 / 4, 1 / 6)
"""Steps that are tried, as shares of the present ones."""
OTHERS = (1 / 2, 1 / 3)
"""Paces at which other solvers and spacings are tried too, at as many evaluations."""
STRENGTHS = (1.0, 0.5, 0.25, 0.0)
"""Guidance that is tried, as shares of what the present scale is above 1."""
MIDDLE, COARSE = (0.3, 5.0), (1.0, 1e9)
"""Levels in std, low and high, at which alone guidance is tried too (the idea of arXiv 2404.07724)."""


@final
@dataclass(frozen=True)
class Choice:
    """Settings by path, in the order of the paths; none at all is the cascade as it is."""

    settings: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Choice:
        """The choice of some settings."""
        return cls(tuple(sorted(settings.items())))

    def __or__(self, other: Choice) -> Choice:
        """Both together; the other's settings count where both name a path."""
        return Choice.of({**dict(self.settings), **dict(other.settings)})

    @property
    def words(self) -> str:
        """The settings as one line; `as it is` where there are none."""
        return ", ".join(f"{path} {_said(value)}" for path, value in self.settings) or "as it is"


def _said(value: Any) -> str:
    if isinstance(value, tuple):
        return "({:g}, {:g}]".format(*value)
    if not isinstance(value, GuidanceSpec):
        return f"{value:g}" if isinstance(value, float) else str(value)
    if value.scale == 1 or value.interval is None:
        return f"{value.scale:g}"
    return f"{value.scale:g} on {_said(value.interval)}"


def manners(node: Node, root: Path | None) -> list[list[Choice]]:
    """What a stage may be told apart from its walk, knob by knob: its guidance, and the level of its low input.

    The files of a pipeline, from `root`, say whether it is guided.
    """
    found = [_guidances(node), _intervals(node, root), _levels(node)]
    return [choices for choices in found if choices]


def _guidances(node: Node) -> list[Choice]:
    if not isinstance(node.stage, DenoisingStage) or (now := node.stage.solver.guided).scale <= 1:
        return []
    scales = [1 + (now.scale - 1) * share for share in STRENGTHS]
    guided = [GuidanceSpec(scale=scale, interval=now.interval) for scale in scales if scale > 1]
    guided += [GuidanceSpec(scale=scale, interval=on) for scale in scales[:2] for on in (MIDDLE, COARSE)]
    told = dict.fromkeys([*guided, GuidanceSpec(scale=1.0)])
    return [Choice.of({f"{node.stage.name}.solver.guidance": each}) for each in told if each != now]


def _intervals(node: Node, root: Path | None) -> list[Choice]:
    """Levels at which alone a pipeline is guided; its scale is left as it is."""
    if not isinstance(node.stage, PipelineStage) or not limitable(node.stage, root):
        return []
    path, now = f"{node.stage.name}.guidance_interval", node.stage.guidance_interval
    return [Choice.of({path: each}) for each in (MIDDLE, COARSE) if each != now]


def _levels(node: Node) -> list[Choice]:
    setting = levels(node)
    if setting is None:
        return []
    return [Choice.of({f"{node.stage.name}.{setting.path}": v}) for v in setting.values if v != setting.now]


def walks(node: Node) -> list[Choice]:
    """Shorter walks, and at some lengths other solvers and spacings of as many evaluations."""
    if not isinstance(node.stage, DenoisingStage):
        return []
    now, name, found = node.stage.solver, node.stage.name, dict[Choice, None]()
    for pace in PACES:
        steps = max(1, round(now.steps * pace))
        found[_walk(name, now, now.kind, now.spacing, steps)] = None
        if pace in OTHERS:
            for kind in ("dpmpp-2m", "heun"):
                found[_walk(name, now, kind, now.spacing, _steps(now.kind, kind, steps))] = None
            other = "t" if now.spacing == "logsnr" else "logsnr"
            found[_walk(name, now, now.kind, other, steps)] = None
    return [choice for choice in found if choice.settings]


def _steps(now: str, kind: str, steps: int) -> int:
    """Steps of another solver that evaluate the network about as often: heun does so twice a step."""
    evaluations = 2 * steps - 1 if now == "heun" else steps
    return max(1, (evaluations + 1) // 2 if kind == "heun" else evaluations)


def _walk(name: str, now: SolverSpec, kind: str, spacing: str, steps: int) -> Choice:
    told = {"kind": kind, "spacing": spacing, "steps": steps}
    changed = {key: value for key, value in told.items() if value != getattr(now, key)}
    return Choice.of({f"{name}.solver.{key}": value for key, value in changed.items()})
