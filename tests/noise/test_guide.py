"""Guidance and clipping: the formula, no wasted evaluation, the interval, the quantile."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import torch

from dynaxx.noise.denoiser import Input
from dynaxx.noise.guide import Clipped, Guided
from dynaxx.noise.level import Level


@dataclass(frozen=True)
class Wish:
    """A condition that is a number per sample; nothing is 0."""

    values: torch.Tensor

    def null(self) -> Wish:
        return Wish(torch.zeros_like(self.values))

    def joined(self, other: Wish) -> Wish:
        return Wish(torch.cat([self.values, other.values]))


@dataclass
class Affine:
    """x_hat = tanh(x_t) + wish + std of the low input; counts the samples it sees."""

    seen: list[int] = field(default_factory=list)

    def __call__(self, x_t, level, inputs, condition):
        self.seen.append(len(x_t))
        low = inputs["low"]
        assert low.x.shape == low.source.shape == x_t.shape
        return torch.tanh(x_t) + condition.values.reshape(-1, 1, 1) + low.std * low.x


X = torch.linspace(-2, 2, 24).double().reshape(2, 3, 4)
WISH = Wish(torch.tensor([1.0, -3.0]).double())
PER_SAMPLE = torch.tensor([0.1, 0.2]).double().reshape(2, 1, 1)


def at(std: float) -> Level:
    return Level(t=0.5, alpha=1.0, sigma=std)


@pytest.mark.parametrize("std", [0.3, PER_SAMPLE], ids=["number", "tensor"])
def test_guidance_is_its_formula_in_one_call(std):
    inputs = {"low": Input(x=X / 2, source=X / 2, std=std)}
    plain = Affine()
    with_wish, without = plain(X, at(1), inputs, WISH), plain(X, at(1), inputs, WISH.null())
    denoiser = Affine()
    guided = Guided(denoiser, 3.0)(X, at(1), inputs, WISH)
    assert torch.allclose(guided, without + 3 * (with_wish - without), atol=1e-12)
    assert denoiser.seen == [4]


@pytest.mark.parametrize(
    ("scale", "std", "seen", "wish"),
    [(1.0, 1.0, [2], 1), (0.0, 1.0, [2], 0), (3.0, 0.2, [2], 1), (3.0, 0.2001, [4], 3), (3.0, 5.0, [4], 3),
     (3.0, 5.001, [2], 1), (0.0, 9.0, [2], 1)],
)  # fmt: skip
def test_guidance_costs_twice_only_where_it_acts(scale, std, seen, wish):
    denoiser = Affine()
    inputs = {"low": Input(x=X, source=X)}
    out = Guided(denoiser, scale, (0.2, 5.0))(X, at(std), inputs, WISH)
    assert denoiser.seen == seen
    assert torch.allclose(out, torch.tanh(X) + wish * WISH.values.reshape(-1, 1, 1), atol=1e-12)


def test_static_clipping_clamps():
    out = Clipped(lambda x_t, *_: x_t, "static")(X, at(1), {}, WISH)
    assert torch.equal(out, X.clamp(-1, 1))


def test_dynamic_clipping_scales_back_from_the_quantile():
    wide = torch.linspace(-3, 3, 2001).double()
    small = wide / 6
    x = torch.stack([wide, small]).reshape(2, 1, -1)
    out = Clipped(lambda x_t, *_: x_t, "dynamic")(x, at(1), {}, WISH)
    bound = torch.quantile(wide.abs(), 0.995)
    assert torch.allclose(out[0, 0], wide.clamp(-bound, bound) / bound, atol=1e-6)
    assert torch.equal(out[1, 0], small)
