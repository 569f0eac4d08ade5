"""LPIPS: how different two pictures look, as a network trained on people's judgement has it."""

from __future__ import annotations

from pathlib import Path
from typing import final

import torch
from torch import Tensor, nn

from dynaxx.errors import DataError, UsageError
from dynaxx.metrics.fidelity import check_pair

SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""The statistics that its network was trained with, for signals in [-1, 1]."""
LAYERS = ((3, 64, 11, 4, 2), (64, 192, 5, 1, 2), (192, 384, 3, 1, 1), (384, 256, 3, 1, 1), (256, 256, 3, 1, 1))
"""AlexNet's convolutions (arXiv 1404.5997): channels in and out, kernel, stride, padding."""
PLACES = (0, 3, 6, 8, 10)
LEAST_SIDE = 32
HOW = (
    "With the package `lpips` installed elsewhere, write one: save_file({k: v.clone() for k, v in "
    "lpips.LPIPS(net='alex').state_dict().items()}, 'lpips-alex.safetensors')."
)


@final
class Lpips(nn.Module):
    """LPIPS 0.1 on AlexNet (arXiv 1801.03924, equation 1): 0 for equal pictures, above about 0.5 unlike.

    d = sum over layers of the mean over sites of sum_c w_c (a_c - b_c)^2, a and b of unit length over channels
    """

    shift: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(c_in, c_out, kernel, stride=stride, padding=padding)
            for c_in, c_out, kernel, stride, padding in LAYERS
        )
        self.weights = nn.ParameterList(nn.Parameter(torch.zeros(c_out)) for _, c_out, *_ in LAYERS)
        self.register_buffer("shift", torch.tensor(SHIFT).reshape(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor(SCALE).reshape(1, 3, 1, 1))

    @classmethod
    def from_file(cls, path: Path | str) -> Lpips:
        """The network with the weights of a safetensors file, named as in the package `lpips`.

        Raises:
            DataError: if the file is missing, damaged, or holds other weights; it says how to write one.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            state = load_file(path)
        except (OSError, SafetensorError) as error:
            raise DataError(str(path), f"holds no LPIPS weights ({error}).", HOW) from error
        network = cls()
        try:
            network._take(state)
        except (KeyError, RuntimeError) as error:
            raise DataError(str(path), f"holds other weights than LPIPS' ({error}).", HOW) from error
        return network.eval().requires_grad_(False)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """The distance of each pair of pictures `(B, 3, H, W)` in [-1, 1], sides of at least 32: `(B,)`."""
        check_pair(x, y)
        if x.ndim != 4 or x.shape[1] != 3 or min(x.shape[2:]) < LEAST_SIDE:
            problem = f"expects (B, 3, H, W) with sides of at least {LEAST_SIDE}, but got {tuple(x.shape)}."
            raise UsageError("LPIPS", problem)
        total = torch.zeros(len(x), device=x.device)
        for a, b, weight in zip(self._stack(x), self._stack(y), self.weights, strict=True):
            total = total + ((a - b).square() * weight.reshape(1, -1, 1, 1)).sum(dim=1).flatten(1).mean(dim=1)
        return total

    def _stack(self, x: Tensor) -> list[Tensor]:
        """What each layer answers, of unit length over channels."""
        answers = []
        x = (x.float() - self.shift) / self.scale
        for index, convolve in enumerate(self.convolutions):
            x = torch.nn.functional.max_pool2d(x, 3, stride=2) if index in (1, 2) else x
            x = convolve(x).relu()
            answers.append(x / (x.square().sum(dim=1, keepdim=True).sqrt() + 1e-10))
        return answers

    def _take(self, state: dict[str, Tensor]) -> None:
        for index, (place, convolve) in enumerate(zip(PLACES, self.convolutions, strict=True)):
            own = {key: state[f"net.slice{index + 1}.{place}.{key}"] for key in ("weight", "bias")}
            convolve.load_state_dict(own)
            self.weights[index].data = state[f"lin{index}.model.1.weight"].reshape(self.weights[index].shape)
