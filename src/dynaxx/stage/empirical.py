"""An exact stage: the posterior mean over a finite set of stored signals, nonlinear, real, and never trained.

For stored signals x_i with prior p_i, `x_hat = sum_i w_i x_i` with

    log w_i = log p_i - |x_t - beta U(low) - alpha x_i|^2 / (2 sigma^2) - sum over inputs |in - f(x_i)|^2 / (2 s^2),

f being the edge's own resampling and s its told level. This is the best that any network trained on these signals
could do, and it is one matrix product (the closed form behind arXiv 2206.00364, appendix B.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

import torch
from torch import Tensor

from dynaxx.noise.denoiser import Condition, Input
from dynaxx.noise.level import Level
from dynaxx.signal.device import double
from dynaxx.spec.data import EmojiData, FieldsData, FolderData
from dynaxx.spec.grid import Grid
from dynaxx.spec.stage import DenoisingStage, EmpiricalStage
from dynaxx.stage.condition import Condition as Asked
from dynaxx.stage.denoise import run_denoiser, without_low
from dynaxx.stage.library import Library, Stored
from dynaxx.stage.stage import Request


@final
@dataclass(frozen=True)
class EmpiricalDenoiser:
    """E[x | x_t, inputs, prompt] over the library's signals, on one grid."""

    spec: EmpiricalStage
    library: Library
    grid: Grid

    def __call__(self, x_t: Tensor, level: Level, inputs: Mapping[str, Input], condition: Condition) -> Tensor:
        """The posterior mean, `(B, C, *size)`."""
        return self._mean(self.log_weights(x_t, level, inputs, condition), like=x_t)

    def log_weights(self, x_t: Tensor, level: Level, inputs: Mapping[str, Input], condition: Condition) -> Tensor:
        """The unnormalised log posterior `(B, N)`, in float64: at small sigma the terms are large and nearly equal."""
        assert isinstance(condition, Asked)
        y = without_low(x_t, level, inputs)
        logits = self.library.log_prior(condition.texts, self.spec.sharpness, device=x_t.device)
        logits = logits + log_likelihood(y, self.library.at(self.grid.size, x_t.device), level.alpha, level.sigma)
        return logits + sum(self._input_evidence(given) for given in inputs.values())

    def _input_evidence(self, given: Input) -> Tensor:
        low, device, width = tuple(given.source.shape[2:]), given.x.device, float(given.blur)
        if given.noise_at == "high":
            value, stored = (
                given.x,
                self.library.seen(low, device, blur_std=width, size=self.grid.size, kernel=given.kernel),
            )
        else:
            value, stored = given.source, self.library.seen(low, device, blur_std=width)
        alpha = _wide(given.alpha)
        noise = alpha * (_wide(given.std) ** 2 + self.spec.floor**2).sqrt()
        copies = value.split(self.grid.channels, dim=1)  # a concat merge brings several
        return torch.stack([log_likelihood(copy, stored, alpha, noise) for copy in copies]).sum(0)

    def _mean(self, logits: Tensor, like: Tensor) -> Tensor:
        stored = self.library.at(self.grid.size, like.device)
        return (logits.softmax(dim=1) @ stored.x).to(like.dtype).to(like.device).reshape(like.shape)


def log_likelihood(y: Tensor, stored: Stored, alpha: float | Tensor, sigma: float | Tensor) -> Tensor:
    """-|y - alpha x_i|^2 / (2 sigma^2) without the part that all i share: `(B, N)` from `(B, C, *size)`.

    alpha and sigma are numbers, or `(B, 1, ...)` where each sample has its own level.
    """
    alpha, sigma = (_wide(v).to(stored.x.device).reshape(-1, 1) for v in (alpha, sigma))
    cross = double(y.flatten(1)) @ stored.x.T
    return (alpha * cross - alpha**2 * stored.square / 2) / (sigma**2).clamp_min(1e-12)


def _wide(value: float | Tensor) -> Tensor:
    return double(value) if isinstance(value, Tensor) else torch.tensor(value, dtype=torch.float64)


@final
class Empirical:
    """The stage: the exact denoiser walked by the ordinary solver."""

    def __init__(self, spec: EmpiricalStage, library: Library) -> None:
        self.spec, self.library = spec, library

    def denoiser(self, grid: Grid) -> EmpiricalDenoiser:
        """The exact denoiser on `grid`."""
        return EmpiricalDenoiser(self.spec, self.library, grid)

    def run(self, request: Request) -> Tensor:
        """Sample: `(B, *grid.shape)`."""
        assert isinstance(request.spec, DenoisingStage)
        return run_denoiser(request.spec, self.denoiser(request.grid), request)

    def save(self, folder: Path) -> None:
        """Write the stored signals, where only this machine has them."""
        if isinstance(self.spec.data, FolderData | FieldsData | EmojiData):
            self.library.save(folder)

    def to(self, device: torch.device) -> None:
        """Move the stored signals."""
        self.library.to(device)
