"""The score that tunes: proper, unbiased by how many samples there are, its differences paired."""

from __future__ import annotations

import beds
import pytest
import torch

from dynaxx.data.bundled import Bundled
from dynaxx.evolve.tune.score import Truth, draws_for
from dynaxx.lens.reference import find
from dynaxx.metrics.pairwise import Pairwise
from dynaxx.signal.blur import blur
from dynaxx.signal.resample import resample


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
