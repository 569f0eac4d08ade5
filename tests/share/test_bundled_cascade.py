"""The trained cascade that travels with the package: small, cheap, quick, and it draws what it is asked for."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch
from look import Gallery
from torch.utils.flop_counter import FlopCounterMode

from dynaxx import Cascade
from dynaxx.data.bundled import Bundled
from dynaxx.engine.samples import Samples
from dynaxx.share.demo import CASCADE, PROMPTS
from dynaxx.spec.bundled import resolve
from dynaxx.spec.files import load
from dynaxx.stage.word_vectors import FILE

ROOT = Path(__file__).parents[2]

MEBI = 2**20


@pytest.fixture(scope="module")
def cascade() -> Cascade:
    return Cascade.from_pretrained(CASCADE)


@pytest.fixture(scope="module")
def drawn(cascade: Cascade) -> tuple[Samples, float]:
    start = time.process_time()
    return cascade.sample(list(PROMPTS), seed=0, keep=True), time.process_time() - start


def test_weights_and_word_vectors_are_at_most_16_mebibytes() -> None:
    folder = resolve(CASCADE).parent
    weights = sum(file.stat().st_size for file in folder.rglob("*.safetensors"))
    assert weights + FILE.stat().st_size <= 16 * MEBI


def test_a_picture_costs_at_most_20_gigaflop(cascade: Cascade) -> None:
    with FlopCounterMode(display=False) as counter:
        cascade.sample("pizza")
    assert 1e9 < counter.get_total_flops() <= 20e9


def test_twelve_pictures_take_at_most_half_a_minute_of_two_cores(drawn: tuple[Samples, float]) -> None:
    assert drawn[1] < 60  # of processor time, which a busy machine does not stretch


@pytest.mark.parametrize("stage", ["base", "bridge", "refine"])
def test_each_stage_draws_what_was_asked_for(drawn: tuple[Samples, float], stage: str) -> None:
    data = Bundled("emoji")
    known = [data[i] for i in range(len(data))]
    gallery = Gallery(torch.stack([sample.x for sample in known]), [sample.caption for sample in known])
    found = gallery.nearest(drawn[0].stages[stage], 5)
    assert sum(prompt in near for prompt, near in zip(PROMPTS, found, strict=True)) >= 11


def test_another_seed_draws_another_picture(cascade: Cascade, drawn: tuple[Samples, float]) -> None:
    other = cascade.sample(list(PROMPTS)[:2], seed=1).x
    assert float((other - drawn[0].x[:2]).square().mean()) > 1e-4


def test_its_recipe_is_the_one_beside_it() -> None:
    assert load(ROOT / "recipes" / "emoji.yaml") == load(resolve(CASCADE))
