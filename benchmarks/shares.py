"""A share of hits over several beds, with an interval that counts hits of one bed as alike as they turn out to be.

    p = sum k / sum n,   V = m / (m - 1)  sum_beds (k - p n)^2 / (sum n)^2,   effect = max(1, V / (p (1 - p) / sum n))

Wilson's interval (1927) is taken at sum n / effect hits, fewer by (z / t)^2 for the degrees of freedom of m beds
(Korn and Graubard, Surv. Methodol. 1998). Of one bed, or where all or none are hits, nothing is seen of the effect:
then every bed counts once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import NormalDist

from dynaxx.metrics.interval import CONFIDENCE
from dynaxx.metrics.student import t_quantile

Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)


def wilson(share: float, n: float) -> tuple[float, float]:
    """The 95% interval of a share of `n` independent trials."""
    if not n:
        return 0.0, 1.0
    spread = Z * math.sqrt(n * share * (1 - share) + Z * Z / 4) / (n + Z * Z)
    middle = (n * share + Z * Z / 2) / (n + Z * Z)
    return min(max(0.0, middle - spread), share), max(min(1.0, middle + spread), share)


def clustered(hits: Iterable[tuple[str, bool]]) -> tuple[float, float, float, int]:
    """The share of hits, each with the name of its bed, the ends of its 95% interval, and their number."""
    beds: dict[str, list[bool]] = {}
    for bed, hit in hits:
        beds.setdefault(bed, []).append(hit)
    n, m = sum(map(len, beds.values())), len(beds)
    share = sum(map(sum, beds.values())) / n if n else 0.0
    told: float = m
    if m > 1 and 0 < share < 1:
        off = sum((sum(mine) - share * len(mine)) ** 2 for mine in beds.values())
        effect = max(1.0, m / (m - 1) * off / n / (share * (1 - share)))
        told = n / effect * (Z / t_quantile(CONFIDENCE, m - 1)) ** 2
    return share, *wilson(share, told), n
