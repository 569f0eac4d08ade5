"""What a process grows to on a CPU: what is held at once, the holes between freed buffers, and the code that runs."""

from __future__ import annotations

from typing import Literal

from dynaxx.plan.predict import NodePlan, RunPlan
from dynaxx.plan.training import TrainPlan

MIB = 2**20
CODE_BYTES = {"sample": 36 * MIB, "train": 44 * MIB}
"""Pages of torch's and oneDNN's libraries that come in as kernels first run, and what those keep for themselves."""
HOLES = {"sample": 0.8, "train": 0.28}
"""By what share of its workings the C library's heap grows beyond them: buffers of many sizes leave holes.

Both tables are fitted on 60 random stages, on one thread and two (x86-64, glibc 2.36, torch 2.13.0, freed memory kept
as commands do), and held to others by `benchmarks/plan_accuracy.py`.
"""


def resident_bytes(peak_bytes: float, workings_bytes: float, mode: Literal["sample", "train"]) -> float:
    """By how much the resident set of a process rises above its imports: peak + holes * workings + code, in bytes.

    `peak_bytes` is the most that is held at once, `workings_bytes` what of it comes and goes.
    """
    return peak_bytes + HOLES[mode] * workings_bytes + CODE_BYTES[mode]


def run_resident_bytes(run: RunPlan) -> float | None:
    """The same of a run: None on a device that has memory of its own, or where a node's peak is not known."""
    if not run.nodes or not all(one.on_cpu and one.profile for one in run.nodes):
        return None
    return max(resident_bytes(one.peak_bytes, _workings(one), "sample") for one in run.nodes)


def training_resident_bytes(one: TrainPlan) -> float | None:
    """The same of a stage's training, all of which is made in the first steps, between buffers that come and go."""
    if one.profile is None or not one.on_cpu:
        return None
    return resident_bytes(one.peak_bytes, one.peak_bytes, "train")


def _workings(one: NodePlan) -> float:
    return max(0.0, one.own_bytes - one.weights)
