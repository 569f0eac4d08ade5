"""A trained diffusion stage: a network as a denoiser, its sampling, its loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import torch
from torch import Tensor, nn

from dynaxx.noise.augment import forward
from dynaxx.noise.denoiser import Condition as AnyCondition
from dynaxx.noise.denoiser import Input
from dynaxx.noise.level import Level
from dynaxx.noise.parameterise import precondition, target, to_clean
from dynaxx.noise.process import Process, make_process
from dynaxx.noise.told import told
from dynaxx.spec.grid import Grid
from dynaxx.spec.stage import DiffusionStage
from dynaxx.spec.training import LossSpec
from dynaxx.stage.backbone import Adapted, evaluating
from dynaxx.stage.beside import Beside, per_sample
from dynaxx.stage.condition import Condition
from dynaxx.stage.denoise import run_denoiser, without_low
from dynaxx.stage.foreign import Backbone
from dynaxx.stage.layout import bring
from dynaxx.stage.stage import Request
from dynaxx.stage.weighting import prediction_weight
from dynaxx.stage.weights import save_network


@final
@dataclass(frozen=True)
class NetworkDenoiser:
    """x_hat from a network that is given `c_in x_t`, what stands beside it, and the levels of both."""

    spec: DiffusionStage
    process: Process
    network: Backbone
    beside: Beside

    def __call__(self, x_t: Tensor, level: Level, inputs: Mapping[str, Input], condition: AnyCondition) -> Tensor:
        """The clean estimate, `(B, C, *size)`."""
        assert isinstance(condition, Condition)
        answer = self.predict(x_t, level, inputs, condition)
        state = without_low(x_t, level, inputs)
        return to_clean(answer, self.spec.predicts, state, level, self.process.std_data)

    def predict(self, x_t: Tensor, level: Level, inputs: Mapping[str, Input], condition: Condition) -> Tensor:
        """The network's answer as it is: x, eps, v, u or F, as `spec.predicts` says."""
        signals = [self._scaled(x_t, level), *self.beside.signals(inputs, condition)]
        x = torch.cat(signals, dim=1) if len(signals) > 1 else signals[0]
        return self.network(x, per_sample(told(level.std), x_t), self.beside.told(inputs, x_t), condition)

    def _scaled(self, x_t: Tensor, level: Level) -> Tensor:
        """`c_in x_t`: of unit variance where EDM's preconditioning is asked for, or x_t grows with the level."""
        if self.spec.predicts != "edm" and self.process.form != "exploding":
            return x_t
        return precondition(level, self.process.std_data).c_in * x_t


@final
class Diffusion:
    """The stage on its grid: `run` samples, `loss` is what training minimises."""

    def __init__(self, spec: DiffusionStage, network: nn.Module, grid: Grid) -> None:
        self.spec, self.network, self.grid = spec, network, grid
        self.process = make_process(spec.process, grid)
        self.denoiser = NetworkDenoiser(spec, self.process, Adapted(network, spec.network), Beside.of(spec))

    @torch.no_grad()
    def run(self, request: Request) -> Tensor:
        """Sample: `(B, *request.grid.shape)`."""
        assert isinstance(request.spec, DiffusionStage)
        spec, asked = request.spec, request.condition.on(request.grid.size)
        with evaluating(self.network):
            return run_denoiser(spec, self.denoiser, replace(request, condition=asked))

    def loss(self, x: Tensor, t: Tensor, eps: Tensor, inputs: Mapping[str, Input], condition: Condition) -> Tensor:
        """`w(std) |x_hat - x|^2 / (C N)` per sample, `(B,)`, measured on the network's own answer.

        Args:
            x: clean signals, `(B, C, *size)`.
            t: one time in [0, 1] per sample, `(B,)`.
            eps: standard normal noise, shaped as x.
            inputs: what stands beside x_t; of a truncated process also where it starts (`low`).
            condition: what the samples are asked for.
        """
        level = self.process.level(t.view(-1, *[1] * (x.ndim - 1)))
        low = inputs["low"].x if self.process.form == "truncated" else None
        answer = self.denoiser.predict(forward(x, eps, level, low), level, inputs, condition)
        wanted = target(x, eps, self.spec.predicts, level, self.process.std_data)
        weighting = self.spec.train.loss if self.spec.train else LossSpec()
        weight = prediction_weight(weighting, self.spec.predicts, level, self.process.std_data)
        return (weight * (answer - wanted).square()).flatten(1).mean(1)

    def save(self, folder: Path) -> None:
        """Write the network in diffusers' layout."""
        save_network(self.network, folder)

    def to(self, device: torch.device) -> None:
        """Move the network."""
        bring(self.network, device)
