"""Which kernel convolves: the fastest of those that cuDNN tries on each shape."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from dynaxx.stage.levers.lever import Answering, Undo, around


def searched(network: nn.Module) -> Undo:
    """Have cuDNN try its kernels the first time that a convolution of some shape comes, and keep the fastest.

    Torch's own choice is a rule by shape. What others convolve is left to what they chose.
    """

    def under(answering: Answering) -> Answering:
        def answer(*args: Any, **named: Any) -> Any:
            before = torch.backends.cudnn.benchmark
            torch.backends.cudnn.benchmark = True
            try:
                return answering(*args, **named)
            finally:
                torch.backends.cudnn.benchmark = before

        return answer

    return around(network, under)
