"""One network evaluation from the inputs to the mean answer (the first half of CorrDiff, arXiv 2309.15214)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import final

import torch
from torch import Tensor, nn

from dynaxx.errors import SpecError
from dynaxx.noise.denoiser import Input
from dynaxx.spec.grid import Grid
from dynaxx.spec.stage import RegressionStage
from dynaxx.stage.backbone import Adapted, evaluating
from dynaxx.stage.beside import Beside
from dynaxx.stage.condition import Condition
from dynaxx.stage.layout import bring
from dynaxx.stage.stage import Request
from dynaxx.stage.weights import save_network


@final
class Regression:
    """`x_hat = U(low) + network(inputs)`, or the network alone where low has other channels than the answer."""

    def __init__(self, spec: RegressionStage, network: nn.Module, grid: Grid) -> None:
        self.spec, self.network, self.grid = spec, network, grid
        self.beside, self._backbone = Beside.of(spec), Adapted(network)
        if not self.beside.names:
            fix = "Give it `from: ...`."
            raise SpecError(f"stage {spec.name!r}", "is a regression without an input to start from.", fix)

    def predict(self, inputs: Mapping[str, Input], condition: Condition) -> Tensor:
        """The mean answer, `(B, C, *size)`."""
        signals = self.beside.signals(inputs, condition)
        level = signals[0].new_zeros(len(signals[0]))
        answer = self._backbone(torch.cat(signals, dim=1), level, self.beside.told(inputs, level), condition)
        low = inputs["low"].x if "low" in inputs else None
        return answer + low if low is not None and low.shape == answer.shape else answer

    def loss(self, x: Tensor, inputs: Mapping[str, Input], condition: Condition) -> Tensor:
        """The squared error per sample, `(B,)`."""
        return (self.predict(inputs, condition) - x).square().flatten(1).mean(1)

    @torch.no_grad()
    def run(self, request: Request) -> Tensor:
        """The mean answer, `(B, *grid.shape)`."""
        inputs = {name: value.at(0) for name, value in request.inputs.items()}
        with evaluating(self.network):
            return self.predict(inputs, request.condition.on(request.grid.size))

    def save(self, folder: Path) -> None:
        """Write the network in diffusers' layout."""
        save_network(self.network, folder)

    def to(self, device: torch.device) -> None:
        """Move the network."""
        bring(self.network, device)
