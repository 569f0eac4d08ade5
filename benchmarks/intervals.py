"""How often 95% intervals hold the truth: distances between Gaussian sets, whose true values have a closed form.

Rows: MMD^2 of two sets, its paired difference to another, the ratio of two (Fieller), a mean, and Frechet distances.
Sets have 16 features and differ by a shift; at shift 0 they are of one kind, where intervals may be wider than need be.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator

import timing
import torch
from torch import Tensor

from dynaxx.metrics.frechet import frechet_debiased
from dynaxx.metrics.interval import Interval
from dynaxx.metrics.kernels import Gaussian
from dynaxx.metrics.means import mean_of
from dynaxx.metrics.mmd import mmd2
from dynaxx.metrics.ratio import ratio

FEATURES, SAMPLES = 16, 64
SHIFTS = (0.0, 0.25, 0.5, 1.0)
"""Distances between the means of the two sets, per root of the number of features."""
TARGET = 0.95
Measured = Iterator[tuple[str, Interval, float]]


def expected(kernel: Gaussian, shift2: float) -> float:
    """`E k(a, b)` of two standard normal sets whose means lie `shift2` apart, squared."""
    total = kernel.width**2 + 2
    return (kernel.width**2 / total) ** (FEATURES / 2) * math.exp(-shift2 / (2 * total))


def true_mmd2(kernel: Gaussian, shift: float) -> float:
    """MMD^2 of those sets."""
    return 2 * (expected(kernel, 0.0) - expected(kernel, FEATURES * shift**2))


def measured(shift: float, draw: Callable[[], Tensor]) -> Measured:
    """What is measured once at a shift: name, interval, truth."""
    kernel, x, y = Gaussian(math.sqrt(FEATURES)), draw(), draw()
    distance, other = mmd2(x + shift, y, kernel), mmd2(x + shift + 0.5, y, kernel)
    truth, of_other = true_mmd2(kernel, shift), true_mmd2(kernel, shift + 0.5)
    yield "mmd2", distance.interval(), truth
    yield "difference", (other - distance).interval(), of_other - truth
    if shift >= 0.5:
        yield "ratio", ratio(other, distance), of_other / truth
    yield "mean", mean_of(x[:, 0] + shift).interval(), shift


def frechet_once(draw: Callable[[], Tensor]) -> Measured:
    """A debiased Frechet distance at a shift of 0.5: 4, for 16 features."""
    yield "frechet_debiased", frechet_debiased(draw() + 0.5, draw()).interval(), 0.25 * FEATURES


def cover(repeats: int, once: Callable[[], Measured]) -> dict[str, int]:
    """How often each interval held its truth."""
    held: dict[str, int] = {}
    for _ in range(repeats):
        for name, interval, truth in once():
            held[name] = held.get(name, 0) + (not interval.excludes(truth))
    return held


def share(name: str, held: int, n: int, target: float | None = TARGET) -> timing.Result:
    """A share of repetitions with its own 95% interval (Wilson 1927)."""
    p, z2 = held / n, 1.96**2
    middle, half = (p + z2 / (2 * n)) / (1 + z2 / n), math.sqrt(z2 * (p * (1 - p) / n + z2 / (4 * n**2))) / (1 + z2 / n)
    return timing.Result(name, p, "1", middle - half, middle + half, n, target)


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke version of at most a minute")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line on stdout")
    options = parser.parse_args()
    before, repeats = timing.load(), 100 if options.quick else 1000
    generator = torch.Generator().manual_seed(0)
    draw = lambda: torch.randn(SAMPLES, FEATURES, dtype=torch.float64, generator=generator)  # noqa: E731
    results = []
    for at in SHIFTS:
        held = cover(repeats, lambda at=at: measured(at, draw))  # type: ignore[misc]
        results += [share(f"{name}, shift {at:g}", count, repeats) for name, count in held.items()]
    few = repeats // 10
    results += [share(name, count, few) for name, count in cover(few, lambda: frechet_once(draw)).items()]
    timing.report("intervals", timing.device_name(torch.device("cpu")), results, as_json=options.json, before=before)


if __name__ == "__main__":
    main()
