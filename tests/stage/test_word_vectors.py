"""Word vectors: kin are near, strangers far, longer words are known by their beginnings, the file round-trips."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from dynaxx.errors import SpecError
from dynaxx.spec.condition import TextSpec
from dynaxx.stage.text_encoder import make_text_encoder
from dynaxx.stage.word_vectors import FILE, WordVectors, save_word_vectors, word_vectors
from dynaxx.stage.words import positions

SPEC = TextSpec(encoder="word-vectors", width=96, max_tokens=4)


def likeness(one: str, other: str) -> float:
    a, b = word_vectors().listed(one), word_vectors().listed(other)
    assert a is not None
    assert b is not None
    return float(torch.nn.functional.cosine_similarity(a, b, dim=0))


@pytest.mark.parametrize(
    ("word", "kin", "stranger"),
    [
        ("cat", "kitty", "pizza"),
        ("car", "automobile", "flower"),
        ("boat", "ship", "smile"),
        ("happy", "cheerful", "axe"),
    ],
)
def test_kin_are_nearer_than_strangers(word: str, kin: str, stranger: str) -> None:
    assert likeness(word, kin) > 0.5 > 0.4 > likeness(word, stranger)


def test_vectors_are_of_unit_variance() -> None:
    for word in ("cat", "mechanic", "of"):
        vector = word_vectors().listed(word)
        assert vector is not None
        assert float(vector.square().mean()) == pytest.approx(1, abs=0.02)


def test_a_longer_word_is_guessed_by_its_beginning_and_a_stranger_is_not() -> None:
    known = word_vectors()
    assert known.listed("kittenlike") is None
    torch.testing.assert_close(known.guessed("kittenlike"), known.listed("kitten"))
    assert known.guessed("zqxvkj") is None


def test_no_two_words_of_captions_are_the_same_listed_or_not() -> None:
    words = ("class1", "class2", "class10", "1001", "1002", "maison", "maisons", "charmander", "charmeleon", "красный")
    tokens, mask = make_text_encoder(SPEC)(words)
    assert bool(mask[:, 0].all())
    assert float((torch.cdist(tokens[:, 0], tokens[:, 0]) + 1e6 * torch.eye(len(words))).min()) > 1


def test_tokens_are_vector_and_place_and_strangers_still_differ() -> None:
    encoder = make_text_encoder(SPEC)
    tokens, mask = encoder(["my cat", "zqxvkj", "wqqzk"])
    torch.testing.assert_close(tokens[0, 1], word_vectors().listed("cat") + positions(4, 96)[1])  # type: ignore[operator]
    assert mask.sum(1).tolist() == [2, 1, 1]
    assert not torch.equal(tokens[1], tokens[2])


def test_another_width_names_the_right_one() -> None:
    with pytest.raises(SpecError, match=r"expects width 64, but 'word-vectors' gives 96"):
        make_text_encoder(TextSpec(encoder="word-vectors"))


def test_the_file_round_trips_within_a_step(tmp_path: Path) -> None:
    vectors = torch.nn.functional.normalize(torch.randn(3, 8, generator=torch.Generator().manual_seed(0)), dim=1)
    save_word_vectors(["a", "bee", "cow"], vectors, tmp_path / "v.safetensors", source="a test")
    with safe_open(tmp_path / "v.safetensors", framework="pt") as file:
        words = file.metadata()["words"].split()
        read = WordVectors(words, file.get_tensor("vectors"), file.get_tensor("scales"))
    for word, vector in zip(words, vectors, strict=True):
        largest = float((vector * 8**0.5).abs().max())
        torch.testing.assert_close(read.listed(word), vector * 8**0.5, atol=largest / 250, rtol=0)


def test_the_bundled_file_is_small() -> None:
    assert FILE.stat().st_size < 2.5 * 2**20
