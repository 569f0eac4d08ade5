"""Opens the lens on a cascade: with reference data, or with prompts alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from dynaxx.data.sample import Dataset
from dynaxx.engine.cascade import Cascade
from dynaxx.errors import UsageError
from dynaxx.lens.bench import Bench
from dynaxx.lens.inputs import stand_ins
from dynaxx.lens.kept import Kept
from dynaxx.lens.look import Look
from dynaxx.lens.probes import Budget
from dynaxx.lens.reference import Reference, find
from dynaxx.lens.taps import Taps
from dynaxx.noise.solve.step import Step
from dynaxx.spec.data import DataSpec

NUM: Mapping[str, int] = {"quick": 64, "full": 128}
"""Samples, by budget; a budget in seconds has those of quick."""


@dataclass(frozen=True)
class Options:
    """How to look: samples, budget, seed, where runs are kept (nowhere: None), and another cascade to compare with."""

    num: int | None = None
    budget: Budget = "quick"
    seed: int = 0
    kept: Path | None = None
    skip: int = 0
    against: Cascade | None = None

    @property
    def count(self) -> int:
        """How many samples."""
        return self.num or NUM.get(str(self.budget), NUM["quick"])


def look(
    cascade: Cascade,
    *,
    reference: Reference | None = None,
    data: DataSpec | Dataset | None = None,
    prompts: Sequence[str] = (),
    given: Mapping[str, Tensor] | None = None,
    options: Options | None = None,
    on_step: Callable[[str, Step], None] | None = None,
) -> Look:
    """Open the lens on a cascade; go through its `steps()`, then ask it for what it found, `lensed()`.

    The truth is the `reference`, else drawn from `data`, else from the cascade's own data. With `prompts` there is no
    truth, and what can be answered without one is. `given` are the user's inputs, `(n, C, *size)` as `input.NAME`, in
    turns where there are fewer than samples; true signals stand in for others.

    Raises:
        UsageError: where there is neither data nor a prompt, or both are given.
        DataError: where the data does not do.
    """
    options = options or Options()
    spec, size = cascade.spec, cascade.runtime.size
    if prompts and (reference is not None or data is not None):
        raise UsageError("prompts", "are given beside reference data, which has its own.", "Give one of them.")
    if reference is None and not prompts:
        reference = find(
            spec, options.count, data=data, root=cascade.root, seed=options.seed, skip=options.skip, size=size
        )
    if reference is None and not prompts:
        fix = "Name some (--data DIR), or prompts alone (--prompts FILE)."
        raise UsageError("data", "is named neither by the cascade nor by you.", fix)
    count = options.count if reference is None else len(reference)
    given = stand_ins(spec, reference, given, count=count)
    if reference is not None:
        taps = Taps.of(cascade, reference, seed=options.seed, given=given, folder=options.kept, on_step=on_step)
    else:
        asked = _repeated(prompts, options.count) if spec.condition.text else ()
        taps = Taps(cascade, asked, (), options.count, options.seed, given, Kept(options.kept), on_step)
    return Look(Bench(taps, reference), options.budget, options.against)


def _repeated(prompts: Sequence[str], count: int) -> tuple[str, ...]:
    """The prompts in turns, until there are enough."""
    return tuple(prompts[i % len(prompts)] for i in range(count))
