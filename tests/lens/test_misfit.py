"""How much a change explains: all of a fault that it undoes, nothing of chance, not all of one that it resembles."""

from __future__ import annotations

import pytest
import torch

from dynaxx.lens.advice import advice
from dynaxx.lens.explain import explain
from dynaxx.lens.misfit import Pair, beyond_chance, chance, gone, strayed
from dynaxx.lens.suspect import Suspect
from dynaxx.lens.undo import fitted
from dynaxx.signal.blur import blur
from dynaxx.signal.random import Draws

N = 96


def signals(key):
    """Smooth noise, three channels."""
    return blur(Draws(3, key, tuple(range(N))).normal("x", (3, 8, 8)), 1.0)


def test_of_two_sets_of_one_kind_there_is_nothing_to_explain():
    pair = Pair(signals("a"), signals("b"))
    assert beyond_chance(pair) < chance(pair)
    assert gone(pair, pair) == 0.0


def test_a_contrast_that_is_undone_is_gone():
    x, truth = 0.7 * signals("a"), signals("b")
    undo = next(undo for undo in fitted(x, truth) if undo.kind == "contrast")
    assert gone(Pair(undo.apply(x), truth), Pair(x, truth)) > 0.95


def test_what_a_wrong_filter_adds_to_some_modes_alone_is_not_gone_with_a_contrast():
    x, truth = signals("a"), signals("b")
    x = x + 0.8 * x.roll(2, -1)  # louder along one axis at some frequencies, softer at others
    undo = next(undo for undo in fitted(x, truth) if undo.kind == "contrast")
    assert gone(Pair(undo.apply(x), truth), Pair(x, truth)) < 0.9


def test_two_faults_at_once_are_called_by_neither_and_the_larger_is_told():
    shift = torch.tensor([0.2, 0.0, -0.2]).reshape(1, 3, 1, 1)
    found = explain(Suspect(Pair(0.75 * signals("a") + shift, signals("b")), frozenset({"cast", "contrast"})))
    assert (found.kind, found.part) == ("weights", "colour-cast")
    assert "the largest part of it" in found.says
    assert advice(found.kind, found.part).startswith(advice("colour-cast"))


def test_a_set_that_is_paired_with_the_truth_has_less_of_chance():
    truth = signals("a")
    x = truth + 0.1 * signals("b")
    low = torch.zeros(N, 3, 4, 4)
    alone, paired = Pair(x, truth), Pair(x, truth, low, low)
    assert chance(paired) == pytest.approx(chance(alone) * 0.01 / 2, rel=0.2)
    assert strayed(paired) == 0.0
    assert strayed(Pair(x, truth, low + 0.2, low, excused=0.01)) == pytest.approx(0.03)


def test_up_to_twice_of_what_chance_makes_nothing_is_explained():
    base = Pair(signals("a"), signals("b"))
    free, excess = chance(base), beyond_chance(base)
    assert excess < free

    def shifted(by):
        return Pair(base.x + by, base.truth)

    def undone(by):
        return gone(base, shifted(by))

    below = next(by for by in torch.linspace(0, 0.5, 500).tolist() if beyond_chance(shifted(by)) > 0.8 * free)
    above = next(by for by in torch.linspace(0, 0.5, 500).tolist() if beyond_chance(shifted(by)) > 1.2 * free)
    assert undone(below) == 0.0
    assert undone(above) > 0


@pytest.mark.parametrize(("strongest", "kind"), [("unheard", "prompt-ignored"), ("contrast", "contrast")])
def test_a_stronger_sign_than_that_it_is_not_heard_is_explained_first(strongest, kind):
    pair = Pair(0.6 * signals("a"), signals("b"))
    assert explain(Suspect(pair, frozenset({"unheard", "contrast"}), strongest)).kind == kind


def test_where_nothing_explains_a_stronger_sign_it_is_said_that_it_is_not_heard():
    shift = torch.tensor([0.3, 0.0, -0.3]).reshape(3, 1, 1)
    pair = Pair(0.5 * blur(signals("a"), 1.5) + shift, signals("b"))
    assert explain(Suspect(pair, frozenset({"cast"}), "cast")).kind == "weights"
    assert explain(Suspect(pair, frozenset({"cast", "unheard"}), "cast")).kind == "prompt-ignored"
