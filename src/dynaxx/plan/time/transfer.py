"""How fast weights come to a device: from memory, from the disk, or over its link to the host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from dynaxx.plan.time.interval import Interval

MEASURED = 0.25
"""What is open of a rate that was measured on this machine, in logarithms: other files, and neighbours."""


@final
@dataclass(frozen=True)
class Transfer:
    """Bytes a second, and the memory that weights come to.

    `mapped` is the rate from files whose pages the system holds: to a GPU by a copy, while on a CPU, which works on the
    pages themselves, they are mapped, touched and given back. `pinned` is that of page-locked memory to a GPU, None on
    a CPU. `disk` is that of reading files into memory, None where it could not be told. `spread` is what is open of
    all, in logarithms; `memory_bytes` is a GPU's own memory, or what a CPU's machine has.
    """

    mapped_bytes_s: float
    pinned_bytes_s: float | None
    disk_bytes_s: float | None
    memory_bytes: float | None
    spread: float = MEASURED

    def seconds(self, count: float, bytes_s: float) -> Interval:
        """How long so many bytes take at a rate."""
        return Interval.around(count / bytes_s, self.spread)

    def to_json(self) -> dict[str, Any]:
        """The rates as plain data."""
        return dict(vars(self))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Transfer:
        """What `to_json` wrote."""
        return cls(**data)
