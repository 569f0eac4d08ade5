"""How much a level counts in the loss: weights on clean estimates, carried over to what the network predicts."""

from __future__ import annotations

import math

from torch import Tensor

from dynaxx.noise.level import Level
from dynaxx.noise.parameterise import Output, precondition
from dynaxx.spec.training import LossSpec

SNR_MAX = math.exp(15)
"""SNR is kept within 1 / SNR_MAX .. SNR_MAX, so that weights are finite at both ends of every process."""


def loss_weight(spec: LossSpec, std: Tensor, std_data: float) -> Tensor:
    """w(std) in `w |x_hat - x|^2`, SNR = 1 / std^2; of the shape of `std`, finite for std in [0, inf].

    `v`: SNR + 1, which is |v_hat - v|^2. `eps`: SNR. `min-snr`: min(SNR, gamma) (arXiv 2303.09556, section 3.4).
    `sigmoid`: e^b sigmoid(ln SNR - b) (arXiv 2410.19324, section 3.1). `edm`: SNR + 1 / std_data^2
    (arXiv 2206.00364, table 1).
    """
    snr = std.pow(-2).clamp(1 / SNR_MAX, SNR_MAX)
    match spec.weight:
        case "v":
            return snr + 1
        case "eps":
            return snr
        case "min-snr":
            return snr.clamp(max=spec.gamma)
        case "sigmoid":
            return (snr.log() - spec.bias).sigmoid() * math.exp(spec.bias)
        case "edm":
            return snr + std_data**-2


def prediction_weight(spec: LossSpec, output: Output, level: Level, std_data: float) -> Tensor:
    """The weight of `|answer - target|^2`: `w k^2`, where `x_hat - x = -k (answer - target)` (x: k = 1).

    Comparing answers instead of clean estimates is the same sum without dividing by alpha.
    """
    std = level.std
    assert isinstance(std, Tensor)
    return loss_weight(spec, std, std_data) * _squared_gain(output, level, std, std_data)


def _squared_gain(output: Output, level: Level, std: Tensor, std_data: float) -> Tensor | float:
    match output:
        case "x":
            return 1.0
        case "eps":
            return std.square().clamp(1 / SNR_MAX, SNR_MAX)
        case "v":
            return (level.sigma / (level.alpha**2 + level.sigma**2)) ** 2
        case "u":
            return (level.sigma / (level.alpha + level.sigma)) ** 2
        case "edm":
            return precondition(level, std_data).c_out ** 2
