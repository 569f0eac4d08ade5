"""How a quantity grows with the batch and the grid: read off one rehearsal in which these are large primes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import final

BATCH = 1009
"""The batch of a rehearsal: a prime that no width, depth or number of tokens is a multiple of."""
AXES = {1: (1_000_000_007,), 2: (30_011, 30_013), 3: (641, 643, 647)}
"""The size of each axis, in units of the network's coarsest cell: more sites than one sample has numbers of anything
else, text or tables. Products stay below 2^63."""
ROUNDED = 64
"""Bytes by which a counter of sites is longer than it need be, at most."""
Powers = tuple[int, ...]
"""The powers of the batch and of each axis in a term: `(1, 1, 1)` is `B h w`."""
Terms = tuple[tuple[Powers, int], ...]
"""A polynomial: powers with their coefficients, sorted."""


@final
@dataclass(frozen=True)
class Scale:
    """What a rehearsal calls its batch and its axes: `cell` sites are one unit of an axis, a known size has none.

    A number that the rehearsal meets is split into terms `c B^i h^j w^k` by division: weights hold none of the
    primes, activations each once, attention scores those of the axes twice.
    """

    rank: int
    cell: int
    fixed: tuple[int, ...] | None = None

    @property
    def size(self) -> tuple[int, ...]:
        """The grid of the rehearsal."""
        return self.fixed or tuple(prime * self.cell for prime in AXES[self.rank])

    @property
    def primes(self) -> tuple[int, ...]:
        """The batch, and each axis that is open."""
        return (BATCH, *(() if self.fixed else AXES[self.rank]))

    def covers(self, size: Sequence[int]) -> bool:
        """Whether formulas of this scale are exact at a size."""
        if self.fixed:
            return self.fixed == tuple(size)
        return len(size) == self.rank and all(n % self.cell == 0 for n in size)

    def terms(self, value: int) -> Terms:
        """`value` as a polynomial in the batch and the axes."""
        return _terms(value, self.primes)

    def units(self, batch: int, size: Sequence[int]) -> tuple[float, ...]:
        """What to put in for the batch and each open axis."""
        return (float(batch), *(() if self.fixed else (n / self.cell for n in size)))


@lru_cache(maxsize=65536)
def _terms(value: int, primes: tuple[int, ...]) -> Terms:
    powers, rest = [0] * len(primes), value
    for i, prime in enumerate(primes):
        most = 2 if i else 1  # no work grows with the batch squared; without a limit, chance multiples would count
        while rest and rest % prime == 0 and powers[i] < most:
            rest, powers[i] = rest // prime, powers[i] + 1
    whole = math.prod(primes[1:])
    shared = not powers[0]  # by all samples: weights, which may be large, or counters of sites, rounded up
    if len(primes) > 1 and rest >= whole and not any(powers[1:]) and not (shared and rest % whole > ROUNDED):
        return _split(rest, powers[0], whole, len(primes) - 1)
    return ((tuple(powers), rest),) if value else ()


def _split(value: int, batch: int, whole: int, rank: int) -> Terms:
    """`a + b N`, as where text stands behind the sites of a picture: N leaves the remainder a."""
    above, below = divmod(value, whole)
    found = {(batch, *[1] * rank): above, (batch, *[0] * rank): below}
    return tuple(sorted((powers, c) for powers, c in found.items() if c))


def evaluate(terms: Terms, units: Sequence[float]) -> float:
    """The value of a polynomial."""
    return sum(c * math.prod(u**p for u, p in zip(units, powers, strict=True)) for powers, c in terms)


def added(*several: Terms, times: int = 1) -> Terms:
    """The sum of polynomials, `times` over."""
    total: dict[Powers, int] = {}
    for terms in several:
        for powers, c in terms:
            total[powers] = total.get(powers, 0) + c * times
    return as_terms(total)


def as_terms(total: Mapping[Powers, int]) -> Terms:
    """A mapping from powers to coefficients as a polynomial, zeros left out."""
    return tuple(sorted((powers, c) for powers, c in total.items() if c))


def per_sample(terms: Terms) -> Terms:
    """What one sample takes, as what a batch takes whose samples come one after another."""
    return tuple(((batch + 1, *rest), c) for (batch, *rest), c in terms)
