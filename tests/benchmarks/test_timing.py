"""One statistic throughout: medians, their intervals, and the peer's median beside ours."""

from __future__ import annotations

from statistics import median

import pytest
import sampling
import timing


def test_ratio_is_the_median_of_paired_ratios() -> None:
    ours, theirs = [1.0, 2.0, 9.0, 4.0, 6.0], [2.0, 2.0, 3.0, 4.0, 5.0]
    found = timing.ratio("r", ours, theirs, target=1.03)
    assert (found.value, found.low, found.high, found.n) == (1.0, 0.5, 3.0, 5)


def test_a_lone_lucky_run_moves_no_ratio() -> None:
    theirs = [1.0] * 9
    assert timing.ratio("r", [0.1, *[1.1] * 8], theirs).value == pytest.approx(1.1)


def test_what_slows_both_of_a_round_cancels() -> None:
    rounds = [1.0, 7.0, 2.0, 30.0, 1.0, 5.0, 3.0]
    found = timing.ratio("r", [1.02 * t for t in rounds], rounds)
    assert found.low == pytest.approx(found.high) == pytest.approx(1.02)


def test_the_peers_figure_is_the_same_statistic_as_ours() -> None:
    times = {"ours": [2.0, 3.0, 9.0], "diffusers": [1.0, 4.0, 8.0], "bare": [1.0, 2.0, 4.0]}
    overhead, versus, run = sampling.figures(sampling.settings(quick=True)[0], times)
    assert (run.value, run.peer) == (3.0, median(times["diffusers"]))
    assert (overhead.value, overhead.peer) == (2.0, 2.0)
    assert versus.value == 1.125


def test_the_same_loop_has_the_same_figure_as_its_peer() -> None:
    times = {"bare": [1.0, 1.0, 4.0], "ours": [2.0, 3.0, 9.0], "diffusers": [2.0, 3.0, 9.0]}
    setting = sampling.settings(quick=True)[0]
    run, alone = sampling.figures(setting, times)[-1], sampling.alone(setting, times)
    assert run.peer == run.value == 3.0
    assert alone.peer == alone.value == pytest.approx(3e6 / setting.steps)
