"""The noise that a pipeline puts on its input is measured; beside zeros there is no level, and no error."""

from __future__ import annotations

import pytest
import torch

from dynaxx.stage.pipeline.noising import std_put_on


def test_the_level_is_sigma_over_alpha_and_unknown_beside_zeros() -> None:
    x, noise = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)).unbind(0)
    assert std_put_on(x, noise, 0.8 * x + 0.6 * noise) == pytest.approx(0.75, rel=1e-5)
    assert std_put_on(torch.zeros_like(x), noise, 0.6 * noise) is None
