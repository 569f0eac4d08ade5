"""What a frozen upstream stage makes of the data, so that the next stage learns from what it will receive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

import torch
from torch import Tensor

from dynaxx.engine.edges import carry
from dynaxx.engine.spaces import bring, entering
from dynaxx.noise.denoiser import Input
from dynaxx.signal.random import Draws
from dynaxx.spec.edge import EdgeNoise, EdgeSpec
from dynaxx.spec.graph import Node
from dynaxx.spec.grid import PIXELS, Grid
from dynaxx.stage.stage import Request, Stage
from dynaxx.train.material import Material
from dynaxx.train.parts import Parts
from dynaxx.train.signals import encoded

BATCH = 64
RENEWED_FROM_STD = 1.0
"""A stage without inputs takes the truth up at this level: its layout stays, its detail is the stage's own."""


@final
@dataclass(frozen=True)
class Answers:
    """The stage's answer to each sample of the data, `(N, C, *size)` as the data is kept, in `file`.

    It sees the truth of its own inputs, so that its answer belongs to the same sample; a stage without inputs renews
    the truth from half its noise (SDEdit, arXiv 2108.01073). Made in parts, so that it can be stopped and goes on.
    """

    node: Node
    stage: Stage
    grids: Mapping[str, Grid]
    material: Material
    device: torch.device
    file: Path

    @property
    def parts(self) -> Parts:
        """The file, part by part."""
        truth = self.material.truth(self.node.grid).values
        return Parts(self.file, truth.shape, truth.dtype, BATCH)

    def make(self, part: int) -> None:
        """Make one part, if it is not there yet; the parts before it are.

        Raises:
            RunError: where it cannot be written.
        """
        parts = self.parts
        if parts.done > part:
            return
        self.stage.to(self.device)
        answer = _answer(self.node, self.stage, self.grids, self.material, parts.rows(part), self.device)
        kept = answer.clamp(-1, 1) if self.node.grid.space == PIXELS else answer
        parts.write(part, encoded(kept, parts.dtype))

    def finish(self) -> None:
        """Give the file its name, and remove what other weights or settings had made."""
        if self.parts.missing:
            self.parts.finish()
            for stale in self.file.parent.iterdir():
                if stale != self.file:
                    stale.unlink()


def _answer(
    node: Node,
    stage: Stage,
    grids: Mapping[str, Grid],
    material: Material,
    rows: range,
    device: torch.device,
) -> Tensor:
    draws = Draws(0, f"generated/{node.name}", tuple(rows))
    condition = material.condition.take([material.asked[row] for row in rows]).to(device)
    spec, inputs = node.stage, dict[str, Input]()
    for name, given in node.inputs.items():
        scoped, codecs = draws.scoped(f"{draws.scope}.{name}"), material.codecs
        truths = [material.truth(grids[parent]).at(rows).to(device) for parent in given.parents]
        parents, enter = bring(given, truths, codecs, scoped), entering(node, name, codecs, scoped)
        inputs[name] = carry(given.edge, parents, given.high.size, scoped, enter=enter)
    if not inputs:
        std = RENEWED_FROM_STD
        edge = EdgeSpec(from_=node.name, via="start", noise=EdgeNoise(std=std))
        truth = material.truth(node.grid).at(rows).to(device)
        spec, inputs = spec.model_copy(update={"inputs": {"low": edge}}), {"low": _noisy(truth, std, draws)}
    return stage.run(Request(spec, node.grid, inputs, condition, draws, device)).cpu()


def _noisy(truth: Tensor, std: float, draws: Draws) -> Input:
    eps = draws.normal("start", tuple(truth.shape[1:]), device=truth.device)
    return Input(x=truth + std * eps, source=truth, std=std)
