"""Augmentation is the forward process at the level the stage is told."""

from __future__ import annotations

import math

import pytest
import torch

from dynaxx.errors import UsageError
from dynaxx.noise.augment import augment_level, forward, noised
from dynaxx.noise.level import Level
from dynaxx.noise.process import make_process
from dynaxx.spec.process import CosineProcess, KarrasProcess, TruncatedProcess


def draw(seed: int) -> torch.Tensor:
    return torch.randn(2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("form", "spec"), [("exploding", KarrasProcess()), ("preserving", CosineProcess())])
def test_augmenting_is_the_forward_process_at_another_level(form, spec):
    process = make_process(spec)
    level = process.level(process.t_of_std(0.4))
    assert torch.allclose(noised(draw(0), 0.4, draw(1), form), forward(draw(0), draw(1), level), atol=1e-12)


def test_preserving_is_exploding_over_the_root():
    ours = noised(draw(0), 0.7, draw(1), "preserving")
    assert torch.allclose(ours, (draw(0) + 0.7 * draw(1)) / math.sqrt(1.49), atol=1e-12)


@pytest.mark.parametrize("form", ["exploding", "preserving"])
def test_a_level_per_sample(form):
    std = torch.tensor([0.0, 2.0], dtype=torch.float64).reshape(2, 1, 1)
    both = noised(draw(0), std, draw(1), form)
    assert torch.equal(both[0], draw(0)[0])
    assert torch.allclose(both[1], noised(draw(0), 2.0, draw(1), form)[1], atol=1e-12)
    assert torch.allclose(augment_level(std, form).std.flatten(), std.flatten())


def test_truncated_at_one_is_exactly_the_noisy_input():
    level = make_process(TruncatedProcess(start=0.25)).level(1.0)
    assert torch.equal(forward(draw(0), draw(1), level, low=draw(2)), draw(2) + 0.25 * draw(1))


def test_a_truncated_level_without_low_is_refused():
    x = torch.zeros(1, 1, 4)
    with pytest.raises(UsageError, match="no low is given"):
        forward(x, x, Level(0.5, 0.5, 0.1, beta=0.5))
