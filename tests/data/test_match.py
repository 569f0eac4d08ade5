from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from dynaxx.data.bundled import Bundled
from dynaxx.data.match import match, stems, suggest
from dynaxx.data.sample import Sample

DATA = Bundled()
SAMPLES = [DATA[i] for i in range(len(DATA))]


def best(prompt: str, samples: Sequence[Sample] = SAMPLES) -> str:
    return samples[int(match(prompt, samples).argmax())].caption


@pytest.mark.parametrize(
    ("prompt", "caption"),
    [
        ("cat", "cat"),
        ("a cat", "cat"),
        ("A CAT!", "cat"),
        ("cats", "cat"),
        ("the face of a cat", "cat face"),
        ("red heart", "red heart"),
        ("a blue heart", "blue heart"),
        ("heart, broken", "broken heart"),
        ("a slice of pizza", "pizza"),
        ("some french fries", "french fries"),
        ("strawberries", "strawberry"),
        ("cherry", "cherries"),
        ("a red apple", "red apple"),
        ("green apple", "green apple"),
        ("bananas", "banana"),
        ("burger", "hamburger"),
        ("a donut", "doughnut"),
        ("snowman", "snowman"),
        ("rainbow", "rainbow"),
        ("a wolf", "wolf"),
        ("wolves", "wolf"),
        ("panda", "panda"),
        ("an owl at night", "owl"),
        ("ufo", "flying saucer"),
        ("a red car", "red car"),
        ("fire truck", "fire engine"),
        ("bike", "bicycle"),
        ("rocket", "rocket"),
        ("house", "house"),
        ("t-rex", "tyrannosaurus"),
        ("guitar", "guitar"),
        ("santa", "Santa Claus"),
        ("robot", "robot"),
        ("a pirate's telescope", "telescope"),
        ("football", "american football|soccer ball"),
        ("sunflowers", "sunflower"),
        ("plane", "airplane"),
        ("octopus", "octopus"),
        ("ghost", "ghost"),
    ],
)
def test_prompt_finds_its_picture(prompt: str, caption: str) -> None:
    assert best(prompt) in caption.split("|")


def test_every_caption_finds_itself_and_nothing_else_exactly() -> None:
    for i, caption in enumerate(DATA.captions):
        fits = match(caption, SAMPLES)
        assert fits[i] == 1
        assert (fits == 1).sum() == 1


def test_colour_alone_finds_things_of_that_colour() -> None:
    fits = match("red", SAMPLES)
    top = [SAMPLES[i] for i in fits.topk(10).indices.tolist()]
    assert all("red" in sample.caption.split() for sample in top[:5])
    assert all("red" in (*sample.caption.split(), *sample.keywords) for sample in top)


def test_stays_in_range_and_is_zero_for_unknown_words() -> None:
    fits = match("a red cat with two hearts behind the moon", SAMPLES)
    assert fits.shape == (len(SAMPLES),)
    assert fits.dtype == torch.float32
    assert float(fits.min()) == 0
    assert float(fits.max()) < 1
    for prompt in ("xylophone quux", "", "the of a", "?!"):
        assert not match(prompt, SAMPLES).any()


def test_value_by_hand() -> None:
    """Two captions share a word: cos = idf(red)^2 / (idf(red) sqrt(idf(red)^2 + idf(car)^2))."""
    samples = [Sample(torch.zeros(1), caption) for caption in ("red car", "red boat")]
    common, rare = torch.tensor(2.0).log(), torch.tensor(3.0).log()  # ln(1 + 2/2), ln(1 + 2/1)
    expected = 0.99 * common / (common**2 + rare**2).sqrt()
    torch.testing.assert_close(match("red", samples), expected.expand(2))


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("leaf", "leaves"),
        ("knife", "knives"),
        ("cherry", "cherries"),
        ("box", "boxes"),
        ("glass", "glasses"),
        ("bus", "buses"),
        ("horse", "horses"),
        ("shoe", "shoes"),
        ("potato", "potatoes"),
        ("bee", "bees"),
    ],
)
def test_singular_and_plural_are_one(one: str, many: str) -> None:
    assert stems(one) == stems(many)


@pytest.mark.parametrize(
    ("typo", "caption"),
    [("strawbery", "strawberry"), ("elefant", "elephant"), ("piza", "pizza"), ("girafe", "giraffe")],
)
def test_suggests_what_was_meant(typo: str, caption: str) -> None:
    assert caption in suggest(typo, SAMPLES)


def test_suggests_nothing_for_noise() -> None:
    assert suggest("qqqqq", SAMPLES) == ()
