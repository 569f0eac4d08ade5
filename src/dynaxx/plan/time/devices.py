"""Well-known devices by their published figures, for machines that one does not have: rough, and said to be so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from dynaxx.errors import UsageError
from dynaxx.plan.growth import evaluate
from dynaxx.plan.profile import Profile
from dynaxx.plan.time.interval import Interval
from dynaxx.plan.tracker import OpKey

GIB = 2**30
SPREAD = 0.5
"""The logarithm of what published peaks leave open: the interval is a factor of 2.3 to both sides."""
REACHED = 0.4
"""The share of its peak that a network's work is taken to reach. An assumption, which a calibration replaces."""
LAUNCH_S = 8e-6
"""Of one kernel from Python. An assumption, as above."""


@final
@dataclass(frozen=True)
class Device:
    """A device as its maker describes it: dense peaks, without sparsity; `source` is the page that was read.

    `matrix_flops` is the peak of float32 work in matrix units (TF32) where it has them, else in vector units.
    """

    name: str
    matrix_flops: float
    bandwidth_bytes_s: float
    memory_gib: float
    source: str

    @property
    def memory_bytes(self) -> float:
        """Its memory."""
        return self.memory_gib * GIB

    def seconds(self, profile: Profile, work: Mapping[OpKey, int], batch: int, size: tuple[int, ...]) -> Interval:
        """How long work takes by the roofline of published peaks (Williams et al., CACM 2009)."""
        units, total = profile.scale.units(batch, size), 0.0
        for (_, _, flops, moved), n in work.items():
            compute = evaluate(flops, units) / (REACHED * self.matrix_flops)
            transfer = evaluate(moved, units) / (REACHED * self.bandwidth_bytes_s)
            total += n * (max(compute, transfer) + LAUNCH_S)
        return Interval.around(total, SPREAD)


H100 = "https://archive-lib.hpctech.co.jp/gpuproduct/nvidia-h100.html (TF32 989 TFLOPS is with sparsity, half without)"
A100 = "https://glennklockwood.com/garden/processors/A100, after NVIDIA's A100 datasheet"
ADA = "https://hmc-tech.com/gpu/nvidia-l4-vs-nvidia-t4 and https://topcpu.net/en/gpu-c/l4-vs-tesla-t4"
RTX = "https://www.notebookcheck.pl/NVIDIA-NVIDIA-GeForce-RTX-4090.677670.0.html (82.6 TFLOPS, 24 GB); bandwidth: "
RTX += "https://holynerdvana.blogspot.com/2022/10/nvidia-geforce-rtx-4090-specifications.html"
DEVICES = {
    device.name: device
    for device in (
        Device("h100-sxm", 494.5e12, 3.35e12, 80e9 / GIB, H100),
        Device("h100-pcie", 378e12, 2.0e12, 80e9 / GIB, H100),
        Device("a100-sxm-80gb", 156e12, 2.039e12, 80e9 / GIB, A100),
        Device("l4", 62.67e12, 300.1e9, 24e9 / GIB, ADA),
        Device("t4", 8.141e12, 320e9, 16e9 / GIB, ADA),
        Device("rtx-4090", 82.6e12, 1.008e12, 24e9 / GIB, RTX),
    )
}


def device_named(name: str) -> Device:
    """A device of the table.

    Raises:
        UsageError: if it is not in it.
    """
    if name not in DEVICES:
        raise UsageError("device", f"{name!r} is not known.", f"Known: cpu, cuda, {', '.join(DEVICES)}.")
    return DEVICES[name]
