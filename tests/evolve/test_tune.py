"""Tuning: choices that can be meant, searches that go on, and files that hold."""

from __future__ import annotations

import beds
import torch

from dynaxx.engine.cascade import Cascade
from dynaxx.evolve.tune.bed import BLOCK, Bed
from dynaxx.evolve.tune.choice import Choice, manners, walks
from dynaxx.evolve.tune.race import Entrant, Ran
from dynaxx.evolve.tune.run import Options, Tuning
from dynaxx.evolve.tune.search import Bound, Kept
from dynaxx.evolve.tune.words import says
from dynaxx.lens.reference import find
from dynaxx.spec.files import load
from dynaxx.spec.graph import nodes
from dynaxx.spec.override import override
from dynaxx.spec.solver import GuidanceSpec


def test_what_is_tried_can_be_meant():
    """Every choice gives a cascade that checks, says what it means, and none is the present one."""
    spec = override(beds.empirical((8, 16)).spec, {"bridge.solver.guidance": "{scale: 3, interval: [0.5, 100]}"})
    base, bridge = nodes(spec)
    tried = [c for node in (base, bridge) for knob in [*manners(node, None), walks(node)] for c in knob]
    assert len(set(tried)) == len(tried)
    for choice in tried:
        assert override(spec, dict(choice.settings)) != spec, choice.words
    assert any(isinstance(v, GuidanceSpec) and v.scale == 1 for c in tried for _, v in c.settings)
    assert Choice().words == "as it is"
    assert (Choice.of({"a.b": 1}) | Choice.of({"a.b": 2, "c.d": 3})).words == "a.b 2, c.d 3"


def test_nothing_runs_twice_and_blocks_are_parts_of_the_whole(tmp_path):
    cascade = beds.empirical((8, 16))
    reference = find(cascade.spec, 2 * BLOCK, apart=True)
    bed = Bed(cascade, reference, folder=tmp_path)
    last, short = bed.graph[-1], Choice.of({"base.solver.steps": 2, "bridge.solver.steps": 2})
    whole, first = bed.score(short, last, 2), bed.score(short, last, 1)
    assert torch.equal(first.h, whole.h[:BLOCK, :BLOCK])
    assert bed.kept.made == 2
    again = Bed(cascade, reference, folder=tmp_path)
    assert torch.equal(again.score(short, last, 2).h, whole.h)
    assert (again.kept.made, again.kept.found) == (0, 2)
    other = Bed(cascade, reference, seed=1, folder=tmp_path)
    other.score(short, last, 1)
    assert other.kept.made == 1


def test_walks_that_are_too_long_are_cut(tmp_path):
    """24 exact steps where fewer do, on a level where any is right: half the work, and as good on unseen signals."""
    cascade = beds.gaussian((8, 16), axes=2, std=0.9, steps=24, kind="dpmpp-2m")
    tuning = Tuning(cascade, Options(Bound(0.5), 120.0, num=64, fresh=96, kept=tmp_path / "runs"))
    parts = [done.part for done in tuning.steps()]
    assert list(dict.fromkeys(parts)) == ["base", "bridge", "together"]
    found = tuning.tuned()
    assert found.choice is not None
    assert found.then.total <= 0.5 * found.now.total
    assert found.confirmed is not None
    assert found.confirmed.unseen
    assert found.shown
    assert found.confirmed.spare.low >= 0
    assert found.confirmed.ratio.low >= 0.98
    assert says(found).startswith(f"{found.then.total / found.now.total:.0%} of the network evaluations")
    assert "The FLOPs of base, bridge are not known" in says(found)
    (tmp_path / "cascade.yaml").write_text(tuning.text(found, tmp_path / "cascade.yaml"))
    tuned = load(tmp_path / "cascade.yaml")
    assert max(stage.solver.steps for stage in tuned.stages) <= 16
    assert {change["path"] for change in found.changes} == {path for path, _ in found.choice.settings}
    assert Cascade.from_pretrained(tmp_path / "cascade.yaml").spec == tuned


def test_a_bound_that_nothing_keeps_is_said(tmp_path):
    cascade = beds.empirical((8, 16), steps=2)
    tuning = Tuning(cascade, Options(Bound(0.01), 30.0, num=16, fresh=16))
    list(tuning.steps())
    found = tuning.tuned()
    assert found.choice is None
    assert not found.shown
    assert tuning.text(found, tmp_path / "cascade.yaml") is None
    assert f"the cheapest walk of all stages together takes {found.least.total / found.now.total:.0%}" in says(found)


def test_a_search_without_time_says_so(tmp_path):
    tuning = Tuning(beds.empirical((8, 16), steps=6), Options(Bound(0.5), 1e-6, num=16, fresh=16))
    assert list(tuning.steps()) == []
    found = tuning.tuned()
    assert not found.shown
    assert "The time was up" in says(found)
    assert tuning.text(found, tmp_path / "cascade.yaml") is None


def test_a_choice_that_loses_too_much_is_named_and_not_written(tmp_path):
    """One step of each stage: inside the bound, and nowhere near the score."""
    cascade = beds.gaussian((8, 16), axes=2, std=0.2, steps=24, kind="dpmpp-2m")
    tuning = Tuning(cascade, Options(Bound(0.4), 60.0, num=16, fresh=32))
    search, choice = tuning.search, Choice.of({"base.solver.steps": 1, "bridge.solver.steps": 1})
    search.kept = {"base": [Kept(choice, 1.0, 0.0)]}
    search.curves["together"] = (Ran(Entrant(choice, 1.0), search.bed.score(choice, search.bed.graph[-1], 1)),)
    found = tuning.tuned()
    assert found.confirmed.unseen
    assert found.confirmed.spare.high < 0
    assert not found.shown
    assert tuning.text(found, tmp_path / "cascade.yaml") is None
    assert f"The best inside the bound was {choice.words}" in says(found)
    assert "That it loses at most 2% is not shown" in says(found)


def test_losses_add_whatever_the_sign_of_the_score():
    """Combinations are put in order by what they lose: the front first, of which the best has lost nothing."""
    tuning = Tuning(beds.empirical((8, 16), steps=6), Options(Bound(0.9), 60.0, num=16, fresh=16))
    few = [Choice.of({f"{name}.solver.steps": n}) for name in ("base", "bridge") for n in (2, 4)]
    lost = [0.3, 0.0, 0.5, 0.0]
    kept = [Kept(choice, 1.0, loss) for choice, loss in zip(few, lost, strict=True)]
    tuning.search.kept = {"base": kept[:2], "bridge": kept[2:]}
    combined = tuning.search._combined()
    assert combined[0] == few[1] | few[3]
    assert len(combined) == 4
