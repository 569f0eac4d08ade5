"""Counter-based random streams: sample k's numbers depend on nothing but its own address.

The generator is Philox4x32-10 (Salmon et al., SC 2011, "Parallel random numbers: as easy as 1, 2, 3"), in integer
operations that give the same bits on every device. The layout of an address:

    key      64 bits of blake2b over (seed, scope, purpose), low word first
    counter  (element // 4, draw, sample id, 0); the block's word `element % 4` belongs to the element

An element is its flat (row-major) index within the sample, so that a sample's numbers do not depend on the batch.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import final

import torch
from torch import Tensor

from dynaxx.errors import UsageError
from dynaxx.signal.device import double_on

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
WORD = 0xFFFFFFFF
ROUNDS = 10


def philox(counter: Sequence[Tensor], key: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Philox4x32-10 of four counter words (int64 tensors below 2^32, broadcastable) under a key of two words."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(ROUNDS):
        high0, low0 = _multiply(c0, MULTIPLIERS[0])
        high1, low1 = _multiply(c2, MULTIPLIERS[1])
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + WEYL[0]) & WORD, (k1 + WEYL[1]) & WORD
    return c0, c1, c2, c3


def _multiply(word: Tensor, by: int) -> tuple[Tensor, Tensor]:
    """The high and low word of a 32 x 32 bit product; int64 wraps, so the bits are right whatever the sign."""
    product = word * by
    return (product >> 32).bitwise_and_(WORD), product.bitwise_and_(WORD)


@final
@dataclass(frozen=True)
class Draws:
    """The random numbers of a batch: a seed, a scope (a stage, an epoch) and the ids of its samples.

    Seeds are 64-bit signed integers, ids and draws lie in [0, 2^32). `purpose` names what numbers are for, `draw`
    counts repeated draws for it (a solver's steps). Every method answers with shape `(len(ids), *shape)`.
    """

    seed: int
    scope: str
    ids: tuple[int, ...]

    def __post_init__(self) -> None:
        if not -(2**63) <= self.seed < 2**63:
            raise UsageError("seed", f"expects a 64-bit integer, but got {self.seed}.", "Give a smaller one.")
        for sample in self.ids:
            _check_word("ids", sample)

    def scoped(self, scope: str) -> Draws:
        """The same samples' numbers in another scope."""
        return replace(self, scope=scope)

    def bits(
        self, purpose: str, shape: tuple[int, ...], *, draw: int = 0, device: torch.device | str | None = None
    ) -> Tensor:
        """Uniform 32-bit words as int64 in [0, 2^32), the same bits on every device."""
        target = _place(device)
        return self._shaped(torch.stack(self._words(purpose, shape, draw, target), dim=-1), shape).to(target)

    def integers(
        self,
        purpose: str,
        shape: tuple[int, ...],
        *,
        high: int,
        draw: int = 0,
        device: torch.device | str | None = None,
    ) -> Tensor:
        """Integers in [0, high) as int64, `high` at most 2^31; uneven by less than high / 2^32."""
        if not 0 < high <= 2**31:
            raise UsageError("high", f"expects 1 to 2^31, but got {high}.")
        return (self.bits(purpose, shape, draw=draw, device=device) * high) >> 32

    def uniform(
        self,
        purpose: str,
        shape: tuple[int, ...],
        *,
        draw: int = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """Uniform numbers in [0, 1), multiples of 2^-24: exact in float32 and above."""
        return ((self.bits(purpose, shape, draw=draw, device=device) >> 8) * 2.0**-24).to(dtype)

    def normal(
        self,
        purpose: str,
        shape: tuple[int, ...],
        *,
        draw: int = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """Standard normal numbers: Box-Muller in float64 on word pairs, rounded to `dtype` once; |z| < 6.67.

        The words are the same on every device; their logarithm and cosine may differ in the last float64 bit. What a
        device without float64 is to have is drawn on the CPU.
        """
        target = _place(device)
        w0, w1, w2, w3 = self._words(purpose, shape, draw, target)
        drawn = torch.stack((*_box_muller(w0, w1, dtype), *_box_muller(w2, w3, dtype)), dim=-1)
        return self._shaped(drawn, shape).to(target)

    def _words(
        self, purpose: str, shape: tuple[int, ...], draw: int, target: torch.device
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Four words per block, each of shape `(B, blocks)`: on the CPU for a device without float64."""
        _check_word("draw", draw)
        device = double_on(target)
        block = torch.arange(-(-math.prod(shape) // 4), device=device).reshape(1, -1)
        ids = _ids_on(self.ids, device)
        zero = torch.zeros_like(block)
        return philox((block, zero + draw, ids, zero), _key(self.seed, self.scope, purpose))

    def _shaped(self, blocks: Tensor, shape: tuple[int, ...]) -> Tensor:
        """`(B, blocks, 4)` -> `(B, *shape)`, the last block's spare words left out."""
        return blocks.flatten(1)[:, : math.prod(shape)].reshape(len(self.ids), *shape)


def _place(device: torch.device | str | None) -> torch.device:
    return torch.get_default_device() if device is None else torch.device(device)


@lru_cache(maxsize=16)
def _ids_on(ids: tuple[int, ...], device: torch.device) -> Tensor:
    """Ids as `(B, 1)` int64, copied to a device once: a copy from step to step would wait for it."""
    with torch.inference_mode(False):  # what is kept must also serve where gradients are wanted
        return torch.tensor(ids, dtype=torch.int64).to(device).reshape(-1, 1)


def _box_muller(a: Tensor, b: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Two words to two normal numbers: the radius from (a + 1) / 2^32 in (0, 1], the angle from b / 2^32 in [0, 1)."""
    radius = (a + 1).double().mul_(2.0**-32).log_().mul_(-2.0).sqrt_()
    angle = b.double().mul_(math.tau * 2.0**-32)
    return (radius * angle.cos()).to(dtype), angle.sin_().mul_(radius).to(dtype)


def _key(seed: int, scope: str, purpose: str) -> tuple[int, int]:
    """64 bits of blake2b; the scope's length stands before it, so that no two addresses read the same."""
    text = f"{seed}/{len(scope)}:{scope}/{purpose}"
    word = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
    return word & WORD, word >> 32


def _check_word(name: str, value: int) -> None:
    if not 0 <= value <= WORD:
        raise UsageError(name, f"expects integers in [0, 2^32), but got {value}.")
