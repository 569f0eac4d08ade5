"""Whether a cascade earns its place: held against another one on the same grid, on the same signals."""

from __future__ import annotations

import beds
import faults
import pytest

from dynaxx.errors import UsageError
from dynaxx.lens.against import against
from dynaxx.lens.open import Options, look

HEALTHY = {"axes": 2, "steps": 24, "kind": "dpmpp-2m"}


def single(size=16):
    """One exact stage on the whole grid."""
    return beds.gaussian((size,), **HEALTHY, size=[16, 16])


def squeezed(cascade, stage):
    return faults.after(faults.contrast)(cascade, stage, 0.5)


def judged(cascade, other):
    view = look(cascade, options=Options(num=64, budget=1e-6, against=other))
    list(view.steps())
    return next(f for f in view.lensed().report.findings if f.probe == "against")


def test_a_cascade_earns_its_place_where_it_is_nearer_to_the_truth():
    found = judged(beds.gaussian((8, 16), **HEALTHY), squeezed(single(), "base"))
    assert found.low > 0
    assert found.level == "healthy"
    assert "is nearer to the truth than" in found.says


def test_it_does_not_where_the_other_is():
    found = judged(squeezed(beds.gaussian((8, 16), **HEALTHY), "bridge"), single())
    assert found.high < 0
    assert found.level == "watch"
    assert "does not earn its place" in found.says


def test_of_two_exact_ones_neither_is_better_and_the_work_of_each_is_told():
    found = judged(beds.gaussian((8, 16), **HEALTHY), single())
    assert found.low < 0 < found.high
    assert f"It takes {24 * 256 / (24 * 64 + 24 * 256):.2g} times our work" in found.says


def test_what_cannot_be_compared_is_refused_or_left_out():
    cascade = beds.gaussian((8, 16), **HEALTHY)
    with pytest.raises(UsageError, match="same grid"):
        against(look(cascade, options=Options(num=16)).bench, single(8))
    view = look(cascade, prompts=["any"], options=Options(num=16, against=single()))
    assert {step.name: step.left_out for step in view.steps()}["against"] == "it needs reference data"
