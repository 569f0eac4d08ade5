"""Races between choices: the front stays, the poor stop early, time is kept."""

from __future__ import annotations

import torch

from dynaxx.evolve.tune.choice import Choice
from dynaxx.evolve.tune.race import Entrant, Ran, front, race
from dynaxx.lens.sweep import of_samples


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


def test_a_difference_of_scores_is_paired():
    """What both share cancels: its interval is far narrower than either score's own."""
    measure, _ = measured([(0.8, 1.0), (0.8, 1.0)])
    a, b = (Ran(entrant, measure(entrant.choice, 4)) for entrant in entrants([(0.8, 1.0), (0.8, 1.0)]))
    own, paired = a.score.interval(0.90), a.against(b)
    assert paired.high - paired.low < (own.high - own.low) / 3
