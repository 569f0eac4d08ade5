"""A word that a cascade never saw is taken for its nearest kin, articles and strangers are left out, and it says so."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dynaxx.errors import DataError
from dynaxx.spec.condition import TextSpec
from dynaxx.stage.text_encoder import make_text_encoder
from dynaxx.stage.vocabulary import Vocabulary, read_words, words_of, write_words
from dynaxx.stage.word_vectors import word_vectors

KNOWN = words_of(["cat face", "red apple", "Sailboat", "automobile"])


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary(KNOWN, word_vectors())


@pytest.mark.parametrize(
    ("word", "known"),
    [("cat", "cat"), ("kitty", "cat"), ("car", "automobile"), ("faces", "face"), ("a", None), ("zqxvkj", None)],
)
def test_words_are_taken_for_the_nearest(vocabulary: Vocabulary, word: str, known: str | None) -> None:
    assert vocabulary.taken_for(word) == known


def test_an_unknown_word_gives_the_tokens_of_its_kin_and_a_stranger_none() -> None:
    encoder = make_text_encoder(TextSpec(encoder="word-vectors", width=96, max_tokens=4), known=KNOWN)
    tokens, mask = encoder(["cat face", "the kitty faces zqxvkj", "zqxvkj"])
    torch.testing.assert_close(tokens[0], tokens[1])
    assert mask.sum(1).tolist() == [2, 2, 0]


def test_captions_are_encoded_alike_in_training_and_in_sampling() -> None:
    captions = ["the red circle", "красный круг 1", "class2 of pikachu", "A button", "maisons", "it is not a cat"]
    spec = TextSpec(encoder="word-vectors", width=96, max_tokens=6)
    trained, sampled = (make_text_encoder(spec, known=known)(captions) for known in (None, words_of(captions)))
    torch.testing.assert_close(sampled, trained, atol=0, rtol=0)


def test_an_article_that_a_prompt_begins_with_changes_nothing() -> None:
    spec = TextSpec(encoder="word-vectors", width=96, max_tokens=6)
    for known in (None, words_of(["diamond with a dot", "red apple"])):
        tokens, mask = make_text_encoder(spec, known=known)(["A red apple", "red apple", "a", "diamond with a dot"])
        assert torch.equal(tokens[0], tokens[1])
        assert mask.sum(1).tolist() == [2, 2, 1, 4]


@pytest.mark.parametrize("word", ["is", "it", "my", "many", "with"])
def test_function_words_are_taken_for_nothing(word: str) -> None:
    assert Vocabulary(["not", "no", "two", "cat"], word_vectors()).taken_for(word) is None


def test_it_says_what_it_made_of_a_prompt(vocabulary: Vocabulary) -> None:
    assert vocabulary.notes("A red kitty, zqxvkj!", 4) == ["'kitty' is taken for 'cat'", "'zqxvkj' is not understood"]
    assert vocabulary.notes("cat face red apple cat", 4) == ["only the first 4 words of 'cat face red apple cat' count"]
    assert vocabulary.notes("zqxvkj", 4)[-1] == "'zqxvkj' is drawn as if nothing were asked for"
    assert vocabulary.notes("", 4) == []


def test_words_round_trip_as_a_file(tmp_path: Path) -> None:
    assert read_words(tmp_path) is None
    write_words(KNOWN, tmp_path)
    assert read_words(tmp_path) == KNOWN
    write_words(None, tmp_path)
    assert read_words(tmp_path) is None


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "vocabulary.txt").write_bytes(b"cat\xff")
    with pytest.raises(DataError, match=r"vocabulary.txt.* cannot be read"):
        read_words(tmp_path)
