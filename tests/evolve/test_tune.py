"""Tuning: a score that means something, races that stop the poor early, searches that go on, and files that hold."""

from __future__ import annotations

import beds
import pytest
import torch

from dynaxx.data.bundled import Bundled
from dynaxx.engine.cascade import Cascade
from dynaxx.evolve.tune.bed import BLOCK, Bed
from dynaxx.evolve.tune.choice import Choice, manners, walks
from dynaxx.evolve.tune.cost import Costs
from dynaxx.evolve.tune.race import Entrant, Ran, front, race
from dynaxx.evolve.tune.run import Options, Tuning
from dynaxx.evolve.tune.score import Truth, draws_for
from dynaxx.evolve.tune.search import Bound
from dynaxx.lens.reference import find
from dynaxx.lens.sweep import of_samples
from dynaxx.metrics.pairwise import Pairwise
from dynaxx.signal.blur import blur
from dynaxx.signal.resample import resample
from dynaxx.spec.files import load
from dynaxx.spec.graph import nodes
from dynaxx.spec.override import override
from dynaxx.spec.solver import GuidanceSpec


@pytest.fixture(scope="module")
def pictures():
    bundled = Bundled()
    return resample(torch.stack([bundled[i].x for i in range(0, 160, 2)]), (16, 16), "area")


def twice(x, other):
    return torch.stack([x, other], dim=1).flatten(0, 1)


def test_the_truth_scores_1_and_chance_0(pictures):
    truth = Truth(pictures, draws=2)
    features = truth.features
    assert truth.score(features(twice(pictures, pictures))).value == pytest.approx(1, abs=1e-6)
    chance = truth.score(features(twice(pictures.roll(37, 0), pictures.roll(71, 0)))).interval()
    assert chance.low < 0 < chance.high
    assert chance.high < 0.25


def test_averages_and_sure_guesses_do_not_beat_the_truth(pictures):
    """A proper score: where one of two pictures is right, both drawn evenly beat their mean, and one alone."""
    left, right = pictures[0::2], pictures[1::2]
    y = Truth(left, draws=2), Truth(right, draws=2)

    def expected(draws):
        """The mean over which of the two is true, and over the draws' own outcomes."""
        return sum(truth.score(truth.features(draw)).value for truth in y for draw in draws) / (2 * len(draws))

    fair = expected([twice(a, b) for a in (left, right) for b in (left, right)])
    mean = expected([twice((left + right) / 2, (left + right) / 2)])
    alone = expected([twice(left, left)])
    assert fair > mean
    assert fair > alone


@pytest.mark.parametrize("draws", [1, 2])
def test_faults_lower_it_and_the_number_of_samples_does_not(pictures, draws):
    """Sixteen parts of five samples score on average as all eighty do: nothing is biased by how many there are."""
    truth, kinds = Truth(pictures, draws), [blur(pictures, 0.7), blur(pictures, 1.0)][:draws]
    whole = truth.score(truth.features(torch.stack(kinds, dim=1).flatten(0, 1)))
    assert whole.interval().high < 0.99
    parts = [Pairwise(whole.h[i : i + 5, i : i + 5]).value for i in range(0, 80, 5)]
    assert whole.interval().low < sum(parts) / 16 < whole.interval().high


def test_one_draw_where_prompts_are_shared(pictures):
    cascade = beds.empirical((8, 16))
    assert draws_for(find(cascade.spec, 32)) == 2
    assert draws_for(find(beds.gaussian((8, 16), axes=2).spec, 32)) == 1


def entrants(scores):
    """Choices with a true score each, cheaper ones first to last; what is measured has noise that pairs share."""
    return [Entrant(Choice.of({"s.n": i}), cost) for i, (_, cost) in enumerate(scores)]


def measured(scores, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shared = torch.randn(64, generator=generator) * 0.3
    own = torch.randn(len(scores), 64, generator=generator) * 0.05
    count = {"blocks": 0}

    def measure(choice, blocks):
        index = choice.settings[0][1]
        count["blocks"] += 1
        return of_samples((scores[index][0] + shared + own[index])[: 16 * blocks])

    return measure, count


def test_a_race_keeps_the_front_and_stops_the_poor_early():
    scores = [(0.80, 10.0), (0.80, 5.0), (0.79, 3.0), *[(0.5, 4.0 + 0.1 * i) for i in range(20)]]
    measure, count = measured(scores)
    rounds = list(race(entrants(scores), measure, blocks=4, more=lambda: True))
    assert [done.blocks for done in rounds] == [1, 2, 4]
    stay = {one.choice.settings[0][1] for one in rounds[0].stay}
    assert {0, 1, 2} <= stay
    assert len(stay) <= 6
    assert count["blocks"] <= len(scores) + 6 + 6
    last = {one.choice.settings[0][1]: one for one in rounds[-1].stay}
    assert last[1].against(last[0]).low > 0.95
    assert last[2].choice in [one.choice for one in front(list(last.values()))]


def test_the_true_best_is_rarely_dropped():
    scores = [(0.6, 10.0), *[(0.6 + 0.01 * i, 5.0) for i in range(10)]]
    kept = 0
    for seed in range(40):
        measure, _ = measured(scores, seed)
        *_, last = race(entrants(scores), measure, blocks=4, more=lambda: True)
        kept += any(one.choice.settings[0][1] == 10 for one in last.stay)
    assert kept >= 38


def test_a_race_ends_when_time_is_up():
    scores = [(0.5, 1.0), (0.6, 1.0)]
    measure, _ = measured(scores)
    left = iter([True, True, True, True, True, False])
    assert [done.blocks for done in race(entrants(scores), measure, blocks=4, more=lambda: next(left, False))] == [1]


def test_what_is_tried_can_be_meant():
    """Every choice gives a cascade that checks, says what it means, and none is the present one."""
    spec = override(beds.empirical((8, 16)).spec, {"bridge.solver.guidance": "{scale: 3, interval: [0.5, 100]}"})
    base, bridge = nodes(spec)
    tried = [c for node in (base, bridge) for knob in [*manners(node), walks(node)] for c in knob]
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


def test_costs_are_the_plans(tmp_path):
    cascade = beds.empirical((8, 16), steps=6)
    costs = Costs(cascade)
    now, half = costs.of(cascade), costs.of(cascade.with_settings({"base.solver.steps": 3, "bridge.solver.steps": 3}))
    assert now.unit == "FLOPs"
    assert half.total == pytest.approx(now.total / 2, rel=0.1)
    exact = Costs(beds.gaussian((8, 16), axes=2))
    assert exact.of(exact.cascade).total > 0


def test_walks_that_are_too_long_are_cut(tmp_path):
    """24 exact steps where fewer do, on a level where any is right: half the work, and as good on unseen signals."""
    cascade = beds.gaussian((8, 16), axes=2, std=0.9, steps=24, kind="dpmpp-2m")
    tuning = Tuning(cascade, Options(Bound(0.5), 120.0, num=64, fresh=96, kept=tmp_path / "runs"))
    parts = [done.part for done in tuning.steps()]
    assert list(dict.fromkeys(parts)) == ["base", "bridge", "together"]
    found = tuning.tuned(tmp_path / "cascade.yaml")
    assert found.choice is not None
    assert found.then.total <= 0.5 * found.now.total
    assert found.confirmed is not None
    assert found.confirmed.signals.startswith("unseen")
    assert found.shown
    assert found.confirmed.ratio.low >= 0.98
    tuned = load(tmp_path / "cascade.yaml")
    assert max(stage.solver.steps for stage in tuned.stages) <= 16
    assert {change["path"] for change in found.changes} == {path for path, _ in found.choice.settings}
    assert Cascade.from_pretrained(tmp_path / "cascade.yaml").spec == tuned


def test_a_bound_that_nothing_keeps_is_said(tmp_path):
    cascade = beds.empirical((8, 16), steps=2)
    tuning = Tuning(cascade, Options(Bound(0.01), 30.0, num=16, fresh=16))
    list(tuning.steps())
    found = tuning.tuned(tmp_path / "cascade.yaml")
    assert found.choice is None
    assert not found.shown
    assert not (tmp_path / "cascade.yaml").exists()


def test_the_score_ratio_is_paired():
    """What both share cancels: its interval is far narrower than either score's own."""
    measure, _ = measured([(0.8, 1.0), (0.8, 1.0)])
    a, b = (Ran(entrant, measure(entrant.choice, 4)) for entrant in entrants([(0.8, 1.0), (0.8, 1.0)]))
    own, paired = a.score.interval(0.90), a.against(b)
    assert paired.high - paired.low < (own.high - own.low) / own.value / 3
