"""Tuning: a score that means something, races that stop the poor early, searches that go on, and files that hold."""

from __future__ import annotations

import beds
import numpy as np
import pytest
import torch
from family_cascades import IF
from tiny_pipelines import saved

from dynaxx.data.bundled import Bundled
from dynaxx.engine.cascade import Cascade
from dynaxx.errors import UsageError
from dynaxx.evolve.tune.bed import BLOCK, Bed
from dynaxx.evolve.tune.choice import Choice, manners, walks
from dynaxx.evolve.tune.confirm import Signals, confirm, fresh, spare
from dynaxx.evolve.tune.cost import Cost, Costs
from dynaxx.evolve.tune.race import ONE_SIDED, Entrant, Ran, front, race
from dynaxx.evolve.tune.run import Options, Tuning
from dynaxx.evolve.tune.score import Truth, draws_for
from dynaxx.evolve.tune.search import Bound, Kept
from dynaxx.evolve.tune.words import says
from dynaxx.lens.reference import find
from dynaxx.lens.sweep import of_samples
from dynaxx.metrics.pairwise import Pairwise
from dynaxx.plan.predict import plan_run
from dynaxx.plan.time.interval import Interval
from dynaxx.plan.told import Teller
from dynaxx.plan.walk import network_calls
from dynaxx.signal.blur import blur
from dynaxx.signal.resample import resample
from dynaxx.spec.condition import ConditionSpec
from dynaxx.spec.data import FieldsData
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
    assert last[1].against(last[0]).low > -0.04
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


def test_both_copies_under_guidance_are_paid_for_and_inside_its_interval_alone():
    """A walk that is guided at some levels costs one evaluation more at each of those."""
    trained = Costs(Cascade.from_pretrained("emoji-64"))
    plain, guided, always = (
        trained.of(trained.cascade.with_settings({"base.solver.guidance": guidance})).by_stage["base"]
        for guidance in (1.0, GuidanceSpec(scale=3.0, interval=(0.5, 1e9)), 3.0)
    )
    node = nodes(trained.cascade.spec)[0]
    assert guided == pytest.approx(plain * network_calls(node) / 24, rel=1e-3)
    assert always == pytest.approx(2 * plain, rel=1e-3)
    assert trained.unknown == {}


def test_a_stage_that_nobody_can_look_into_is_said_and_not_free():
    cascade = beds.empirical((8, 16), steps=6)
    costs = Costs(cascade, TELLER)
    costs._profiles = _Unknown()
    cost = costs.of(cascade)
    assert cost.unit == "evaluations"
    assert cost.by_stage == {"base": 6.0, "bridge": 6.0}
    assert cost.unknown == {"base": "who knows", "bridge": "who knows"}
    assert cost.latency_s is None
    with pytest.raises(UsageError, match="base.*who knows"):
        costs.check_timed()


class _Unknown(dict):
    """No profile can be had."""

    def __contains__(self, key):
        return True

    def __getitem__(self, key):
        return "who knows"


class _Ticks:
    """A clock that takes a second for everything."""

    name = "ticks"

    def seconds(self, profile, work, batch, size):
        return Interval(1.0, 1.0, 1.0)


TELLER = Teller(_Ticks(), ConditionSpec())


def test_time_is_the_plans_and_a_latency_without_it_is_refused():
    cascade = beds.empirical((8, 16))
    assert Costs(cascade, TELLER).of(cascade).latency_s == 2.0
    with pytest.raises(UsageError, match="--calibrate"):
        Tuning(cascade, Options(Bound(latency_s=1.0), num=16, fresh=16))


def test_pipelines_cost_every_step_of_their_call(tmp_path):
    """FLOPs are the plan's own; where it cannot tell them, a pipeline counts its steps, twice under guidance."""
    for name in ("if-1", "if-2", "x4"):
        saved(name, tmp_path)
    file = tmp_path / "if.yaml"
    file.write_text(IF)
    cascade = Cascade.from_pretrained(file)
    costs = Costs(cascade)
    cost, planned = costs.of(cascade), plan_run(cascade.spec, nodes(cascade.spec), root=tmp_path).nodes
    assert cost.unit == "FLOPs"
    assert cost.by_stage == {one.node.name: one.flops for one in planned}
    blind = Costs(cascade)
    blind._profiles = _Unknown()
    evaluations = {one.node.name: sum(n * times for n, times in one.passes.items()) for one in planned}
    assert blind.of(cascade).by_stage == evaluations
    assert evaluations["one"] == 6


def test_half_of_the_work_where_nothing_is_said():
    assert Bound.of(None, None) == Bound(0.5)
    assert Bound.of(None, 0.2) == Bound(None, 0.2)
    assert Bound.of(0.3, 0.2) == Bound(0.3, 0.2)
    slow, dear = Cost({"s": 9.0}, "FLOPs", 0.1), Cost({"s": 1.0}, "FLOPs", 0.3)
    now = Cost({"s": 10.0}, "FLOPs", 0.4)
    assert [Bound(None, 0.2).holds(one, now) for one in (slow, dear)] == [True, False]
    assert [Bound(0.5).holds(one, now) for one in (slow, dear)] == [False, True]


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


def test_costs_are_the_plans(tmp_path):
    cascade = beds.empirical((8, 16), steps=6)
    costs = Costs(cascade)
    now, half = costs.of(cascade), costs.of(cascade.with_settings({"base.solver.steps": 3, "bridge.solver.steps": 3}))
    assert now.unit == "FLOPs"
    assert half.total == pytest.approx(now.total / 2, rel=0.1)
    exact = Costs(beds.gaussian((8, 16), axes=2))
    assert exact.of(exact.cascade).by_stage == {"base": 6.0, "bridge": 6.0}
    assert "FLOPs" in exact.unknown["base"]


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
    assert found.confirmed.unseen
    assert found.shown
    assert found.confirmed.spare.low >= 0
    assert found.confirmed.ratio.low >= 0.98
    assert says(found).startswith(f"{found.then.total / found.now.total:.0%} of the network evaluations")
    assert "The FLOPs of base, bridge are not known" in says(found)
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
    assert f"the cheapest walk of all stages together takes {found.least.total / found.now.total:.0%}" in says(found)


def test_a_search_without_time_says_so(tmp_path):
    tuning = Tuning(beds.empirical((8, 16), steps=6), Options(Bound(0.5), 1e-6, num=16, fresh=16))
    assert list(tuning.steps()) == []
    found = tuning.tuned(tmp_path / "cascade.yaml")
    assert not found.shown
    assert "The time was up" in says(found)
    assert not (tmp_path / "cascade.yaml").exists()


def test_a_choice_that_loses_too_much_is_named_and_not_written(tmp_path):
    """One step of each stage: inside the bound, and nowhere near the score."""
    cascade = beds.gaussian((8, 16), axes=2, std=0.2, steps=24, kind="dpmpp-2m")
    tuning = Tuning(cascade, Options(Bound(0.4), 60.0, num=16, fresh=32))
    search, choice = tuning.search, Choice.of({"base.solver.steps": 1, "bridge.solver.steps": 1})
    search.kept = {"base": [Kept(choice, 1.0, 0.0)]}
    search.curves["together"] = (Ran(Entrant(choice, 1.0), search.bed.score(choice, search.bed.graph[-1], 1)),)
    found = tuning.tuned(tmp_path / "cascade.yaml")
    assert found.confirmed.unseen
    assert found.confirmed.spare.high < 0
    assert not found.shown
    assert not (tmp_path / "cascade.yaml").exists()
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


def test_a_difference_of_scores_is_paired():
    """What both share cancels: its interval is far narrower than either score's own."""
    measure, _ = measured([(0.8, 1.0), (0.8, 1.0)])
    a, b = (Ran(entrant, measure(entrant.choice, 4)) for entrant in entrants([(0.8, 1.0), (0.8, 1.0)]))
    own, paired = a.score.interval(0.90), a.against(b)
    assert paired.high - paired.low < (own.high - own.low) / 3
