"""What happens on an edge: merge several outputs, blur, put noise on, resize to the stage's grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor

from dynaxx.noise.augment import augment_level, noised
from dynaxx.noise.denoiser import Input
from dynaxx.signal.bands import band_split
from dynaxx.signal.blur import blur
from dynaxx.signal.random import Draws
from dynaxx.signal.resample import resample
from dynaxx.spec.edge import EdgeNoise, EdgeSpec
from dynaxx.spec.grids import kernels

Enter = Callable[[Tensor], Tensor]
"""From a signal on the grid that an edge resizes to, to what the stage is given."""


@final
@dataclass(frozen=True)
class Strength:
    """The levels of noise and blur on an edge: numbers for the whole batch, or `(B, 1, ...)`, one per sample."""

    noise: float | Tensor = 0.0
    blur: float | Tensor = 0.0


def carry(
    edge: EdgeSpec,
    parents: Sequence[Tensor],
    size: tuple[int, ...],
    draws: Draws,
    *,
    mask: Tensor | None = None,
    strength: Strength | None = None,
    enter: Enter | None = None,
) -> Input:
    """Bring the parents' outputs to a stage's grid as its input.

    The parents `(B, C, *size_k)` are merged on the first one's grid, blurred, made noisy before or after the
    resampling to `size` as the edge says, and come with the levels that the stage is told. `strength` stands in
    place of the edge's own levels, as in training. `enter` is what is done after the resampling, and before noise is
    put on there, to a signal that enters the stage in another space.
    """
    strength = strength or Strength(edge.std, edge.blur_std)
    low = blur(merge(edge, parents, mask), strength.blur)
    told_blur = strength.blur if edge.blur and edge.blur.told else 0.0
    plain = Input(x=low, source=low, kernel=kernels(edge, size), blur=told_blur)
    noise = edge.noise
    enter = enter or _as_it_is
    if noise is None:
        return replace(plain, x=enter(resample(low, size, plain.kernel)))
    first = _noisy(plain, noise, strength.noise, size, draws, 0, enter)
    if noise.redraw == "once":
        return first
    return replace(first, redraw=lambda number: _noisy(plain, noise, strength.noise, size, draws, number + 1, enter))


def _as_it_is(x: Tensor) -> Tensor:
    return x


def bare(edge: EdgeSpec, parents: Sequence[Tensor], *, mask: Tensor | None = None) -> Input:
    """The merged parents on their own grid, for a stage that resizes and puts noise on by itself."""
    low = blur(merge(edge, parents, mask), edge.blur_std)
    return Input(x=low, source=low, std=edge.std, blur=edge.blur_std)


def _noisy(
    plain: Input,
    noise: EdgeNoise,
    std: float | Tensor,
    size: tuple[int, ...],
    draws: Draws,
    draw: int,
    enter: Enter,
) -> Input:
    low = plain.source
    if noise.at == "low":
        low = _put_on(low, noise, std, draws, draw)
    high = enter(resample(low, size, plain.kernel))
    if noise.at == "high":
        high = _put_on(high, noise, std, draws, draw)
    alpha = augment_level(std, noise.form).alpha
    return replace(plain, x=high, source=low, std=std if noise.told else 0.0, alpha=alpha, noise_at=noise.at)


def _put_on(x: Tensor, noise: EdgeNoise, std: float | Tensor, draws: Draws, draw: int) -> Tensor:
    eps = draws.normal("augment", tuple(x.shape[1:]), draw=draw, device=x.device, dtype=x.dtype)
    return noised(x, std, eps, noise.form)


def merge(edge: EdgeSpec, parents: Sequence[Tensor], mask: Tensor | None = None) -> Tensor:
    """Join the outputs of parallel stages on the first one's grid.

    `concat` stacks channels; `mean` and `weighted` average; `mask` takes the first where the mask (in [-1, 1]) is 1
    and the second where it is -1; `bands` takes the first below `cutoff` (a share of Nyquist) and the second above.
    """
    size = tuple(parents[0].shape[2:])
    xs = [resample(x, size, kernels(edge, size)) for x in parents]
    match edge.merge:
        case None:
            return xs[0]
        case "concat":
            return torch.cat(xs, dim=1)
        case "mean":
            return torch.stack(xs).mean(dim=0)
        case "weighted":
            weights = edge.weights or ()
            return sum((w * x for w, x in zip(weights, xs, strict=True)), torch.zeros_like(xs[0])) / sum(weights)
        case "mask":
            assert mask is not None
            share = (resample(mask, size, "area") + 1) / 2
            return share * xs[0] + (1 - share) * xs[1]
        case "bands":
            assert edge.cutoff is not None
            return band_split(xs[0], (edge.cutoff,))[0] + band_split(xs[1], (edge.cutoff,))[1]
