"""The maximum mean discrepancy between two sets of samples, unbiased, also where their samples come in pairs."""

from __future__ import annotations

from torch import Tensor

from dynaxx.errors import UsageError
from dynaxx.metrics.kernels import Kernel
from dynaxx.metrics.pairwise import Pairwise


def mmd2(a: Tensor, b: Tensor, kernel: Kernel) -> Pairwise:
    """MMD^2 of two sets of features `(n, D)`, 0 in expectation for sets of one kind, and so sometimes below 0.

        h(i, j) = k(a_i, a_j) + k(b_i, b_j) - k(a_i, b_j) - k(a_j, b_i)

    The mean over i != j (Gretton et al., JMLR 2012, equation 4). Pairs (a_i, b_i) have to be independent of each
    other; within a pair, b_i may be what a_i was made from, as i = j is left out.

    Raises:
        UsageError: where the sets differ in size, as no distance of unequal sets is compared with another.
    """
    if a.shape != b.shape or a.ndim != 2:
        got = f"expects two sets of equal size, (n, D) each, but got {tuple(a.shape)} and {tuple(b.shape)}."
        raise UsageError("distance", got, "Draw as many samples as there are in the reference, or use a part of it.")
    cross = kernel(a, b)
    return Pairwise(kernel(a, a) + kernel(b, b) - cross - cross.T)
