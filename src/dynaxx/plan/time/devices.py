"""Well-known devices by their published figures, for machines that one does not have: rough, and said to be so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, final

import yaml

from dynaxx.errors import UsageError
from dynaxx.plan.growth import evaluate
from dynaxx.plan.profile import Profile
from dynaxx.plan.time.interval import Interval
from dynaxx.plan.time.transfer import Transfer
from dynaxx.plan.tracker import OpKey
from dynaxx.signal.device import kinds
from dynaxx.spec.problem import did_you_mean

FILE = Path(__file__).with_name("devices.yaml")
"""Every device with the page that each figure was read from."""
GIB = 2**30
SPREAD = 0.5
"""The logarithm of what published peaks leave open: the interval is a factor of 2.3 to both sides."""
REACHED = 0.4
"""The share of its peak that a network's work is taken to reach. An assumption, which a calibration replaces."""
TF32_PRODUCTS = 3
"""Of which attention's kernel makes one in float32, on cards with matrix units for them (CUTLASS' 3xTF32)."""
LAUNCH_S = 8e-6
"""Of one kernel from Python. An assumption, as above."""
PINNED, PAGEABLE = 0.8, 0.25
"""The shares of its link that copies from page-locked and from other memory reach. Assumptions, as above."""


@final
@dataclass(frozen=True)
class Device:
    """A device as its maker describes it: dense peaks by number format, without sparsity; `source` names what was read.

    The peak of `float32` is that of vector units. Where matrix units take float32 (`tf32`), torch has them convolve,
    but not multiply unless it is told to (`torch.backends.cuda.matmul.allow_tf32`); its attention makes three products
    in TF32 of one. A half-precision format without a peak has no matrix units, and nothing tells how fast it would be.
    The link is one direction of that to the host.
    """

    name: str
    peak_flops: Mapping[str, float]
    bandwidth_bytes_s: float
    memory_gib: float
    link_bytes_s: float
    source: str

    @property
    def memory_bytes(self) -> float:
        """Its memory."""
        return self.memory_gib * GIB

    @property
    def transfer(self) -> Transfer:
        """How fast weights come over its link; the disk of its host is anybody's guess."""
        return Transfer(PAGEABLE * self.link_bytes_s, PINNED * self.link_bytes_s, None, self.memory_bytes, SPREAD)

    def peak_of(self, kind: str, dtype: str) -> float:
        """FLOPs a second, at most, of a class of operations in a number format."""
        peak, matrix = self.peak_flops[dtype], self.peak_flops.get("tf32", 0.0) if dtype == "float32" else 0.0
        if kind.startswith("attention"):
            return max(peak, matrix / TF32_PRODUCTS)
        return max(peak, matrix) if kind.startswith("conv") else peak

    def knows(self, profile: Profile) -> bool:
        """Whether the peak of the profile's number format is published."""
        return profile.dtype in self.peak_flops

    def seconds(self, profile: Profile, work: Mapping[OpKey, int], batch: int, size: tuple[int, ...]) -> Interval:
        """How long work takes by the roofline of published peaks (Williams et al., CACM 2009).

        Bytes are counted in the number format that the profile was rehearsed in, whose peak is taken.
        """
        units, total = profile.scale.units(batch, size), 0.0
        for (kind, _, flops, moved), n in work.items():
            compute = evaluate(flops, units) / (REACHED * self.peak_of(kind, profile.dtype))
            transfer = evaluate(moved, units) / (REACHED * self.bandwidth_bytes_s)
            total += n * (max(compute, transfer) + LAUNCH_S)
        return Interval.around(total, SPREAD)


@cache
def known_devices() -> Mapping[str, Device]:
    """All devices of the table, by name."""
    table: Mapping[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return {name: _read(name, found) for name, found in table.items()}


def _read(name: str, found: Mapping[str, Any]) -> Device:
    peaks = {dtype: 1e12 * tflops for dtype, tflops in found["tflops"].items()}
    moves, held = 1e9 * found["bandwidth_gb_s"], 1e9 * found["memory_gb"] / GIB
    return Device(name, peaks, moves, held, 1e9 * found["link_gb_s"], found["source"])


def device_named(name: str) -> Device:
    """A device of the table.

    Raises:
        UsageError: if it is not in it.
    """
    known = known_devices()
    if name not in known:
        longer = [other for other in known if other.startswith(name)]
        fix = f"{did_you_mean(name, longer or known)}Known: {', '.join([*kinds(), *known])}."
        raise UsageError("device", f"{name!r} is not known.", fix)
    return known[name]
