"""Random streams: the published known answers, independence of the batch, the right distributions."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dynaxx.errors import UsageError
from dynaxx.signal.random import WORD, Draws, _key, philox

KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((WORD,) * 4, (WORD, WORD), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]

PINNED = [
    [2894093758, 4139318714, 3436472528, 2773313868, 3149810222],
    [3853376585, 2577879066, 1235709950, 1227374063, 1515410019],
]


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_philox_gives_the_published_answers(counter, key, answer):
    words = philox([torch.tensor([word]) for word in counter], key)
    assert tuple(int(word) for word in words) == answer


def test_bits_are_pinned():
    """These numbers are in every sample ever made: a change of layout must be seen."""
    assert Draws(7, "base", (0, 3)).bits("start", (5,)).tolist() == PINNED


def test_bits_follow_the_documented_layout():
    """Element 4 b + w of sample k is word w of the block (b, draw, k, 0)."""
    block = philox([torch.tensor([word]) for word in (2, 9, 5, 0)], _key(-1, "stage", "step"))
    bits = Draws(-1, "stage", (1, 5)).bits("step", (3, 4), draw=9)
    assert bits[1, 2].tolist() == [int(word) for word in block]


@settings(max_examples=40, deadline=None)
@given(
    st.integers(-(2**63), 2**63 - 1),
    st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=5),
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(1, 6), max_size=3).map(tuple),
)
def test_a_sample_is_the_same_alone_and_in_any_batch(seed, ids, draw, shape):
    together = Draws(seed, "base", tuple(ids)).normal("start", shape, draw=draw)
    assert together.shape == (len(ids), *shape)
    for row, sample in zip(together, ids, strict=True):
        assert torch.equal(row, Draws(seed, "base", (sample,)).normal("start", shape, draw=draw)[0])


def test_a_longer_shape_begins_with_the_shorter():
    draws = Draws(1, "base", (4,))
    assert torch.equal(draws.uniform("t", (6,))[0], draws.uniform("t", (99,))[0, :6])


@pytest.mark.parametrize(
    "other",
    [
        lambda d: Draws(2, "base", d.ids).bits("start", (64,)),
        lambda d: d.scoped("bridge").bits("start", (64,)),
        lambda d: d.bits("step", (64,)),
        lambda d: d.bits("start", (64,), draw=1),
        lambda d: Draws(1, "base", (1, 2)).bits("start", (64,)),
        lambda d: Draws(1, "bas", d.ids).bits("e/start", (64,)),
    ],
    ids=["seed", "scope", "purpose", "draw", "id", "split"],
)
def test_every_part_of_an_address_matters(other):
    draws = Draws(1, "base", (0, 1))
    same = (draws.bits("start", (64,)) == other(draws)).float().mean()
    assert same == 0


def test_normals_are_normal():
    z = Draws(3, "base", tuple(range(16))).normal("start", (1, 128, 128), dtype=torch.float64).flatten()
    n = z.numel()
    for power, moment, spread in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((z**power).mean() - moment) < 4 * math.sqrt(spread / n)
    ordered, at = z.sort().values, torch.arange(1, n + 1) / n
    assert (0.5 * (1 + torch.erf(ordered / math.sqrt(2))) - at).abs().max() < 1.95 / math.sqrt(n)
    assert abs((z[:-1] * z[1:]).mean()) < 4 / math.sqrt(n)


def test_uniforms_and_integers_fill_their_range_evenly():
    draws = Draws(3, "base", (0, 1, 2, 3))
    u = draws.uniform("t", (1 << 14,)).flatten()
    counts = torch.histc(u, 64, 0, 1)
    assert u.min() >= 0
    assert u.max() < 1
    assert ((counts - 1024) ** 2 / 1024).sum() < 110  # chi-squared, 63 degrees: 99.98%
    k = draws.integers("label", (1 << 14,), high=7).flatten()
    assert k.unique().tolist() == list(range(7))
    assert ((k.bincount() - 65536 / 7) ** 2 / (65536 / 7)).sum() < 27  # 6 degrees: 99.98%


def test_dtypes_round_the_same_numbers():
    draws = Draws(5, "base", (2,))
    exact = draws.normal("start", (100,), dtype=torch.float64)
    for dtype in (torch.float32, torch.bfloat16):
        assert torch.equal(draws.normal("start", (100,), dtype=dtype), exact.to(dtype))


def test_bits_are_the_same_on_the_accelerator(accelerator):
    draws, device = Draws(11, "base", (0, 9, 2**32 - 1)), accelerator
    assert torch.equal(draws.bits("start", (3, 65, 7), device=device).cpu(), draws.bits("start", (3, 65, 7)))
    here, there = draws.normal("start", (3, 65, 7)), draws.normal("start", (3, 65, 7), device=device)
    assert (there.cpu() - here).abs().max() < 1e-6


@pytest.mark.parametrize("sample", [-1, 2**32])
def test_ids_outside_32_bits_are_refused(sample):
    with pytest.raises(UsageError, match=r"ids: expects integers in \[0, 2\^32\), but got"):
        Draws(0, "base", (sample,))


def test_wrong_seeds_draws_and_ranges_are_refused():
    with pytest.raises(UsageError, match="seed: expects a 64-bit integer"):
        Draws(2**63, "base", (0,))
    with pytest.raises(UsageError, match="draw: expects"):
        Draws(0, "base", (0,)).bits("start", (1,), draw=-1)
    with pytest.raises(UsageError, match="high: expects 1 to"):
        Draws(0, "base", (0,)).integers("label", (1,), high=0)
