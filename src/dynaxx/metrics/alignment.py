"""How well pictures fit their prompts, from features of both in one space."""

from __future__ import annotations

import torch
from torch import Tensor

from dynaxx.metrics.fidelity import check_rows
from dynaxx.signal.device import double

WEIGHT = 2.5


def alignment(images: Tensor, texts: Tensor) -> Tensor:
    """CLIPScore of each pair: `2.5 max(cosine, 0)` (arXiv 2104.08718, equation 1); `(B, D)` twice -> float64 `(B,)`."""
    check_rows(images, texts)
    cosine = torch.nn.functional.cosine_similarity(double(images), double(texts), dim=1)
    return WEIGHT * cosine.clamp(min=0)
