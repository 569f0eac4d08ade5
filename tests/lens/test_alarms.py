"""Alarms hold over the whole report: of healthy ones at most one in twenty raises any, whichever probe raises it."""

from __future__ import annotations

import math

import beds
import pytest
import torch
from torch import Tensor

from dynaxx.lens import hand_over
from dynaxx.lens.alarms import ALPHA, Alarms, alarms
from dynaxx.lens.error_table import error_table
from dynaxx.lens.hand_over import best_order
from dynaxx.lens.level_borne import noise_beside
from dynaxx.lens.open import Options, look
from dynaxx.lens.settings import settings
from dynaxx.lens.signs import HIDDEN, HIDES, hidden, signs
from dynaxx.lens.sweep import sweep, trial
from dynaxx.metrics.family import bonferroni
from dynaxx.metrics.interval import CONFIDENCE
from dynaxx.metrics.means import mean_of, ratio_of_means
from dynaxx.metrics.student import t_quantile
from dynaxx.signal.blur import blur

REPORTS, SIGNS, TESTS, N = 1000, 12, 12, 32


def report(draws: torch.Generator) -> tuple[list[float], list[tuple[Tensor, Tensor]]]:
    """A healthy one: p-values of signs that are 0, and pairs whose ratio of means is 1, all independent."""
    x = torch.randn(SIGNS, N, generator=draws).double()
    tops = 3 + torch.randn(TESTS, 2, N, generator=draws).double()
    return [mean_of(row).p_value() for row in x], [(top, bottom) for top, bottom in tops]


def test_at_most_one_in_twenty_healthy_reports_raises_any_alarm() -> None:
    draws, family = torch.Generator().manual_seed(11), Alarms(TESTS)
    any_alarm, each_by_itself = 0, 0
    for _ in range(REPORTS):
        ps, pairs = report(draws)
        exams = min(family.adjusted(ps)) < ALPHA
        any_alarm += exams or any(ratio_of_means(*pair, family.confidence).excludes(1) for pair in pairs)
        each_by_itself += min(ps) * SIGNS < ALPHA or any(ratio_of_means(*pair).excludes(1) for pair in pairs)
    error = 1.96 * math.sqrt(ALPHA * (1 - ALPHA) / REPORTS)
    assert 0.02 < any_alarm / REPORTS <= ALPHA + error
    assert each_by_itself / REPORTS > 0.35  # what intervals of 95% beside the exams amount to


@pytest.mark.parametrize("tests", [0, 1, 7, 60])
def test_the_parts_sum_to_the_whole(tests: int) -> None:
    family = Alarms(tests)
    assert family.exams + tests * (1 - family.confidence) == pytest.approx(ALPHA)
    assert family.adjusted([0.001, 1.0])[0] == pytest.approx(0.002 * ALPHA / family.exams)
    assert str(tests) in family.says(2) or not tests


def test_every_node_edge_and_setting_is_counted() -> None:
    bench = look(beds.gaussian((4, 8, 16)), options=Options(num=8)).bench
    tried = {setting.full: len(setting.values) - 1 for setting in settings(bench)}
    assert alarms(bench).tests == 2 + sum(tried.values()) + 3  # carries; values; fine detail of three numbers of steps
    assert {path.split(".")[-1] for path in tried} == {"std", "steps"}
    alone = look(beds.gaussian((8,)), options=Options(num=8)).bench
    assert alarms(alone).tests == len(settings(alone)[0].values)
    assert alarms(look(beds.empirical(), prompts=["a cat"], options=Options(num=8)).bench) == Alarms(0)


def test_how_many_signs_there_are_does_not_depend_on_what_is_seen() -> None:
    draws = torch.Generator().manual_seed(7)
    truth = blur(torch.randn(16, 2, 8, 8, generator=draws), 1.0)
    noisy, smooth = truth + 0.3 * torch.randn(truth.shape, generator=draws), blur(truth, 1.0)
    found = [[(sign.name, sign.at) for sign in signs(x, truth)] for x in (noisy, smooth)]
    assert found[0] == found[1]
    grain = [next(sign for sign in signs(x, truth) if sign.name == "grain") for x in (noisy, smooth)]
    assert (grain[0].size > 1, grain[0].p_value < ALPHA, grain[1].p_value) == (True, True, 1.0)


def test_what_noise_hides_anyway_raises_no_alarm() -> None:
    draws, called = torch.Generator().manual_seed(8), 0
    for _ in range(400):
        low = torch.randn(32, 1, 4, 4, generator=draws)
        called += hidden(low + math.sqrt(HIDES) * torch.randn(low.shape, generator=draws), low).p_value < ALPHA
    assert called / 400 < ALPHA
    assert hidden(low + math.sqrt(HIDDEN) * torch.randn(low.shape, generator=draws), low).p_value < ALPHA / 100


def test_the_report_says_how_chance_was_split() -> None:
    view = look(beds.gaussian((4, 8)), options=Options(num=8, budget=1e-6))
    list(view.steps())
    signs = sum(len(exam.signs) for exam in view.exams)
    assert view.lensed().report.method["family"] == alarms(view.bench).says(signs)
    assert view.diagnoses[0].adjusted[0] >= 2 * view.exams[0].signs[0].p_value or view.diagnoses[0].adjusted[0] == 1


def test_carry_is_judged_beyond_its_own_interval() -> None:
    bench = look(beds.gaussian((4, 8)), options=Options(num=24)).bench
    table = error_table(bench)
    shown, sure = table.carry["bridge"], table.sure_carry["bridge"]
    assert (shown.confidence, sure.confidence) == (CONFIDENCE, alarms(bench).confidence)
    assert sure.low <= shown.low


def test_a_sweep_is_judged_within_the_family_of_the_report() -> None:
    bench = look(beds.gaussian((4, 8), std=0.5), options=Options(num=16)).bench
    setting = next(s for s in settings(bench) if s.kind == "level")
    gained = [(trial(bench, setting, setting.now, rows=16).score - trial(bench, setting, v, rows=16).score)
              for v in setting.values if v != setting.now]  # fmt: skip
    best = max(gained, key=lambda gain: gain.value)
    found = sweep(bench, setting, rows=16).findings[0]
    held = best.interval(alarms(bench).confidence)
    assert held.low < best.interval(bonferroni(CONFIDENCE, len(gained))).low
    assert (found.gain is not None) == (held.low > 0)
    if found.gain is not None:
        assert found.gain.low == pytest.approx(held.low)


def test_the_level_of_a_walk_has_the_interval_that_it_is_asked_for() -> None:
    draws = torch.Generator().manual_seed(2)
    u = torch.randn(8, 3, 8, 8, generator=draws)
    x = u + 0.4 * torch.randn(u.shape, generator=draws)
    plain, sure = noise_beside(x, u), noise_beside(x, u, Alarms(6).confidence)
    assert plain is not None
    assert sure is not None
    assert sure.low < plain.low < plain.value < plain.high < sure.high


def test_the_order_of_channels_is_chosen_anew_in_every_fold(monkeypatch: pytest.MonkeyPatch) -> None:

    node = look(beds.empirical(text=False), options=Options(num=8)).bench.later()[0]
    draws = torch.Generator().manual_seed(5)
    u, v = (torch.randn(6, 3, 2, 2, generator=draws).double() for _ in range(2))
    chosen = []
    monkeypatch.setattr(hand_over, "best_order", lambda a, b: chosen.append(best_order(a, b)) or chosen[-1])
    found = hand_over._order(node, u, v, CONFIDENCE)
    folds = [best_order(u[torch.arange(6) != i], v[torch.arange(6) != i]) for i in range(6)]
    assert len({tuple(order) for order in folds}) > 1  # a choice that chance makes
    assert all(order in chosen for order in folds)

    def explained(keep: Tensor, order: list[int]) -> float:
        best, own = (hand_over._shared(u[keep][:, o], v[keep]) for o in (order, [0, 1, 2]))
        return max(1 - (1 - best) / (1 - own), 1 - own / best)

    every = torch.arange(6)
    without = torch.tensor([explained(every[every != i], folds[i]) for i in range(6)])
    half = (found.high - found.low) / 2

    error = math.sqrt(5 / 6 * float((without - without.mean()).square().sum()))
    assert half == pytest.approx(t_quantile(CONFIDENCE, 5) * error, rel=1e-5)
