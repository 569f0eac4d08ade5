"""How often a stage evaluates its network on its way, told by its own solver on a single number."""

from __future__ import annotations

from collections import Counter

import torch
from torch import Tensor

from dynaxx.errors import UsageError
from dynaxx.noise.level import Level
from dynaxx.noise.process import make_process
from dynaxx.noise.solve import make_solver
from dynaxx.spec.graph import Node
from dynaxx.spec.stage import DenoisingStage


def evaluations(node: Node) -> dict[int, int]:
    """The evaluations of a node's walk by how many copies of the batch each is given: 2 under guidance, else 1."""
    stage = node.stage
    if not isinstance(stage, DenoisingStage):
        return {}
    guidance, found = stage.solver.guided, Counter[int]()

    def denoise(x: Tensor, level: Level) -> Tensor:
        low, high = guidance.interval or (-1.0, float("inf"))
        found[2 if guidance.scale not in (0, 1) and low < float(level.std) <= high else 1] += 1
        return x

    process, solver = make_process(stage.process, node.grid), stage.solver
    start = next(
        (edge.hand_std or edge.std for edge in stage.inputs.values() if edge.via == "start" or edge.hand == "noisy"),
        None,
    )
    try:
        levels = process.levels(solver.steps, spacing=solver.spacing, start_std=start or None, stop_std=node.stop_std)
    except UsageError:  # a level outside the process: the run will say so in its own words
        levels = process.levels(solver.steps, spacing=solver.spacing)
    for _ in make_solver(solver)(denoise, torch.zeros(1), levels, lambda step: torch.zeros(1)):
        pass
    return dict(found)


def steps_of(node: Node) -> int:
    """The steps of a node's walk; 1 for stages that do not walk."""
    return node.stage.solver.steps if isinstance(node.stage, DenoisingStage) else 1


def network_calls(node: Node) -> int:
    """Network evaluations for one sample of a node, a guided one counted as two; 1 for stages that do not walk."""
    return sum(copies * times for copies, times in evaluations(node).items()) or 1
