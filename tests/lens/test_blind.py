"""Which parts of an input are not looked at: found with enough samples, and said to be untried with too few."""

from __future__ import annotations

import beds
import faults

from dynaxx.lens.blind import blind
from dynaxx.lens.explain import explain
from dynaxx.lens.misfit import Pair
from dynaxx.lens.open import Options, look
from dynaxx.lens.suspect import Suspect
from dynaxx.signal.random import Draws


def tried(cascade, num):
    bench = look(cascade, options=Options(num=num)).bench
    node = bench.later()[0]
    return blind(bench, node, bench.on(node, bench.low_of(node), rows=num))


def healthy():
    return beds.gaussian((8, 16), axes=2)


def test_a_part_that_is_not_looked_at_is_found_with_enough_samples():
    assert tried(faults.before(faults.patch)(healthy(), "bridge", 0.5), 32) in (1 / 16, 2 / 16, 3 / 16, 4 / 16)
    assert tried(healthy(), 32) is None


def test_too_few_samples_do_not_say_that_nothing_is_blind():
    said = tried(healthy(), 12)
    assert "32 samples are needed" in said
    assert "18 samples are needed" in said
    assert "parts of 1 of 4" in said


def test_the_explanation_says_what_was_not_tried():
    low = Draws(3, "low", tuple(range(32))).normal("x", (1, 8, 8))
    x = 0.7 * low + 0.7 * low.roll(3, -1)  # follows its input, and is wrong in no simple way
    pair = Pair(x, low, x, low)
    means = {"down": lambda s: s, "few": pair, "rerun": lambda s: x, "again": lambda: x}
    found = explain(
        Suspect(
            pair, frozenset({"stray"}), kernel=("bicubic",), blind=lambda: "whether it looks was not tried", **means
        )
    )
    assert found.kind == "weights"
    assert found.says.endswith("whether it looks was not tried")
