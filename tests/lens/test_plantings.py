"""Faults planted from outside are found in their stage and called by their name; healthy cascades are left in peace."""

from __future__ import annotations

import beds
import faults
import healthy
import pytest

from dynaxx.lens.open import Options, look
from dynaxx.lens.signs import at_least
from dynaxx.lens.undo import fixed

FAULTS = {fault.name: fault for fault in faults.FAULTS}
GAUSSIAN = [
    ("bridge", "wrong resize kernel"), ("bridge", "level too high"), ("bridge", "untold noise"),
    ("base", "colour cast"), ("bridge", "missing patch"), ("bridge", "low input shuffled"),
    ("base", "detail smoothed away"), ("bridge", "contrast squeezed"), ("bridge", "wrong range at the edge"),
    ("bridge", "channel order at the edge"), ("bridge", "weights off"),
]  # fmt: skip
PICTURES = [
    ("base", "missing patch"), ("bridge", "missing patch at the edge"), ("bridge", "channel order at the edge"),
    ("bridge", "noise left in the answer"), ("base", "prompts shuffled"), ("bridge", "mirrored answer"),
    ("base", "prompts dropped"), ("bridge", "too many steps"),
]  # fmt: skip
JOINED = ["wrong resize kernel", "low input shuffled", "channel order at the edge", "untold noise"]


def verdict(cascade, num=96):
    view = look(cascade, options=Options(num=num, budget=1e-6))  # exams and the error table alone
    for _ in view.steps():
        pass
    return view.lensed().report.verdict


def check(cascade, stage, name):
    asked = cascade.spec.condition.text is not None
    samples = {"prompt": ["pizza", "rocket", "rose"], "num": 8} if asked else {"num": 24}
    found = faults.planted(cascade, stage, FAULTS[name], {**samples, "seed": 2})
    assert found is not None, "the fault cannot be seen"
    said = verdict(found[0])
    assert (said.level, said.stage, said.kind) == ("fault", stage, FAULTS[name].kind)


@pytest.mark.parametrize(("stage", "name"), GAUSSIAN)
def test_in_a_gaussian_cascade(stage, name):
    check(beds.gaussian((8, 16), axes=2, channels=3, std=0.1, steps=24, kind="dpmpp-2m"), stage, name)


@pytest.mark.parametrize(("stage", "name"), PICTURES)
def test_among_pictures(stage, name):
    check(beds.empirical(), stage, name)


@pytest.mark.parametrize("name", JOINED)
def test_in_a_stage_that_joins_others(name):
    check(next(bed.cascade for bed in healthy.gaussian_beds() if bed.name == "parallel"), "bridge", name)


@pytest.mark.parametrize("text", [True, False])
def test_pictures_without_a_fault_are_healthy(text):
    assert verdict(beds.empirical(text=text)).level == "healthy"


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_a_gaussian_cascade_without_a_fault_is_healthy(axes):
    cascade = beds.gaussian((4, 8), axes=axes, steps=24, kind="dpmpp-2m")
    assert verdict(cascade, num=64).level in ("healthy", "watch")


def test_what_is_undone_is_the_fault_itself():
    """Every fixed change has an inverse among the faults' own makers: undone, the signal is back."""
    from dynaxx.signal.random import Draws

    x = Draws(0, "x", (0, 1)).normal("x", (3, 4, 4))
    undone = {undo.says: undo.apply for undo in fixed(x)}
    assert undone["values lie in [0, 1] where [-1, 1] is due"]((x + 1) / 2).allclose(x, atol=1e-6)
    assert undone["channels come in the order [1, 2, 0]"](x[:, [1, 2, 0]]).equal(x)
    assert undone["it is turned by 90 degrees"](x.rot90(1, (-2, -1))).equal(x)


def test_the_chance_of_many_lost_samples_is_binomial():
    from scipy import stats

    assert at_least(3, 64, 0.005) == pytest.approx(stats.binom.sf(2, 64, 0.005))
