"""Signals that the metrics' tests share."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dynaxx.data.bundled import Bundled
from dynaxx.signal.resample import resample


@pytest.fixture(scope="session")
def pictures() -> Tensor:
    """96 of the bundled pictures at 32 x 32."""
    bundled = Bundled()
    return resample(torch.stack([bundled[i].x for i in range(0, 384, 4)]), (32, 32), "area")
