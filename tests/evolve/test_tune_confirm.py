"""A choice is confirmed on signals that it was not searched on, or not at all."""

from __future__ import annotations

import beds
import numpy as np
import pytest
import torch

from dynaxx.data.bundled import Bundled
from dynaxx.evolve.tune.choice import Choice
from dynaxx.evolve.tune.confirm import Signals, confirm, fresh, spare
from dynaxx.evolve.tune.race import ONE_SIDED
from dynaxx.evolve.tune.run import Options, Tuning
from dynaxx.evolve.tune.search import Bound
from dynaxx.lens.reference import find
from dynaxx.lens.sweep import of_samples
from dynaxx.signal.resample import resample
from dynaxx.spec.data import FieldsData


@pytest.fixture(scope="module")
def pictures():
    bundled = Bundled()
    return resample(torch.stack([bundled[i].x for i in range(0, 160, 2)]), (16, 16), "area")


@pytest.mark.parametrize(
    ("before", "after", "kept"),
    [
        (0.80, 0.795, True), (0.80, 0.77, False),
        (-0.80, -0.81, True), (-0.80, -0.83, False), (-0.80, -0.79, True),
        (0.0, 0.001, True), (0.0, -0.01, False),
    ],
)  # fmt: skip
def test_a_score_is_kept_or_not_whatever_its_sign(before, after, kept):
    """2% of |before| may be lost; a ratio calls -0.83 / -0.80 a gain, and says nothing near 0."""
    noise = torch.randn(64, generator=torch.Generator().manual_seed(0)).double()
    shared, own = 0.02 * (noise - noise.mean()), 0.0005 * (noise.roll(7) - noise.mean())
    was, now = of_samples(before + shared), of_samples(after + shared + own)
    assert (spare(was, now, 0.02).interval(ONE_SIDED).low >= 0) == kept
    allowed = 0.02 * abs(before)
    assert spare(was, now, 0.02).value == pytest.approx(after - before + allowed, abs=1e-9)


def test_what_was_searched_on_confirms_nothing(pictures):
    """All signals there are were searched on: the same choice, as good on them, is not shown."""
    cascade = beds.gaussian((8, 16), axes=2, std=0.9, steps=24, kind="dpmpp-2m")
    tuning = Tuning(cascade, Options(Bound(0.5), 60.0, num=64, fresh=64))
    choice, reference = Choice.of({"base.solver.steps": 23}), tuning.search.bed.reference
    on = {unseen: confirm(cascade, choice, Signals(reference, unseen), within=0.02) for unseen in (True, False)}
    assert on[True].spare == on[False].spare
    assert on[True].kept
    assert not on[False].kept
    assert "searched on" in on[False].signals


def test_signals_that_are_all_searched_on_are_told_apart(tmp_path, pictures):
    for i, x in enumerate(pictures[:24]):
        np.save(tmp_path / f"{i:02}.npy", x.numpy())
    data, cascade = FieldsData(path=str(tmp_path), range=(-1, 1)), beds.empirical((8, 16), text=False)
    assert not fresh(cascade, 24, 24, data=data).unseen
    some = fresh(cascade, 12, 24, data=data)
    searched = find(cascade.spec, 12, data=data, apart=True)
    assert some.unseen
    assert len(some.reference) == 12
    assert not any(torch.equal(a, b) for a in some.reference.grids[16, 16] for b in searched.grids[16, 16])
