"""Whether a stage hears what it is asked for, where answers are all alike and where samples are asked for one thing."""

from __future__ import annotations

from dataclasses import replace

import beds
import faults
import pytest
import torch

from dynaxx.lens.exam import examine
from dynaxx.lens.open import Options, look


def sign_of(view):
    exam = examine(view.bench, view.bench.graph[0])
    return next((sign for sign in exam.signs if sign.name == "unheard"), None), exam


def test_answers_that_are_all_alike_do_not_change_with_what_is_asked_for():
    healthy = beds.empirical()
    collapsed = faults.with_stage(
        healthy, "base", faults.Wrapped(healthy.stages["base"], after=lambda x, request: torch.zeros_like(x))
    )
    assert sign_of(look(healthy, options=Options(num=16)))[0].estimate.value == 0
    assert sign_of(look(collapsed, options=Options(num=16)))[0].estimate.value == 1


def test_samples_that_are_asked_for_one_thing_are_not_asked_otherwise_and_that_is_said():
    view = look(beds.empirical(), options=Options(num=16))
    taps = view.bench.taps
    view.bench.taps = replace(taps, prompts=(taps.prompts[0],) * 12 + taps.prompts[12:])
    sign, exam = sign_of(view)
    assert sign is None
    assert [(f.level, f.id) for f in exam.left_out] == [("unknown", "base.exam.unheard")]
    assert "only 5 of 16" in exam.left_out[0].says
    assert not sign_of(look(beds.gaussian((4, 8)), options=Options(num=8)))[1].left_out  # nothing is asked for


def test_the_variance_of_the_share_is_that_of_the_samples_it_is_over():
    view = look(beds.empirical(), options=Options(num=16))
    taps = view.bench.taps
    view.bench.taps = replace(taps, prompts=(taps.prompts[0],) * 8 + taps.prompts[8:])
    sign, _ = sign_of(view)
    assert (sign.estimate.n, sign.estimate.value) == (9, 0)
    assert sign.estimate.variance == pytest.approx(1 / 81)


def test_the_report_tells_what_was_not_asked():
    view = look(beds.empirical(), options=Options(num=8, budget=1e-6))
    taps = view.bench.taps
    view.bench.taps = replace(taps, prompts=(taps.prompts[0],) * 8)
    list(view.steps())
    assert any(f.id == "base.exam.unheard" and f.level == "unknown" for f in view.lensed().report.findings)
