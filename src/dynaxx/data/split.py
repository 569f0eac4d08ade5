"""Which samples are kept out of training: by a hash of their group, so that the rest of the data plays no part."""

from __future__ import annotations

import hashlib
from typing import Literal

Part = Literal["used", "withheld", "all"]


def belongs(group: str, share: float, part: Part) -> bool:
    """Whether a group is in the part asked for; a `share` of all groups is withheld, a larger one the same and more.

    >>> [belongs("cat", share, "withheld") for share in (0.0, 1.0)]
    [False, True]
    """
    place = int.from_bytes(hashlib.blake2b(group.encode(), digest_size=7).digest(), "big") / 2**56
    return part == "all" or (place < share) == (part == "withheld")
