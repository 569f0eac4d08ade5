"""The words that a cascade was trained with, and which of them another word is taken for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cached_property
from pathlib import Path
from typing import final

import torch
from torch import Tensor

from dynaxx.stage.word_vectors import WordVectors
from dynaxx.stage.words import words
from dynaxx.store.atomic import write_text

FILE_NAME = "vocabulary.txt"
"""What the list is called inside a cascade's folder: a word a line."""
NEAR = 0.45
"""The least cosine at which a word is taken for another: "auto" and "automobile" have 0.57, "cat" and "banana" 0.25."""
ARTICLES = frozenset({"a", "an", "the"})
"""Words that are left out where captions have none of them."""


@final
class Vocabulary:
    """A network has only seen the vectors of its captions' words; any other word is brought to the nearest of them."""

    def __init__(self, known: Collection[str], vectors: WordVectors) -> None:
        self.known = tuple(sorted(word for word in set(known) if vectors.of(word) is not None))
        self._vectors = vectors

    def taken_for(self, word: str) -> str | None:
        """The word itself where it is known, else the nearest by cosine of at least `NEAR`, if any."""
        if word in self.known:
            return word
        vector = self._vectors.of(word)
        if vector is None or word in ARTICLES or not self.known:
            return None
        likeness = self._stacked @ vector / self._vectors.width
        best = int(likeness.argmax())
        return self.known[best] if float(likeness[best]) >= NEAR else None

    def vector(self, word: str) -> Tensor | None:
        """The vector of the word that it is taken for; None leaves it out."""
        known = self.taken_for(word)
        return None if known is None else self._vectors.of(known)

    def notes(self, text: str) -> list[str]:
        """In words, what of a prompt is taken for something else, and what is not understood."""
        others = [(word, self.taken_for(word)) for word in dict.fromkeys(words(text)) if word not in ARTICLES]
        found = [f"{word!r} is taken for {known!r}" for word, known in others if known not in (word, None)]
        lost = [word for word, known in others if known is None]
        return found + [f"{word!r} is not understood" for word in lost]

    @cached_property
    def _stacked(self) -> Tensor:
        rows = [self._vectors.of(word) for word in self.known]
        return torch.stack([row for row in rows if row is not None])


def words_of(captions: Sequence[str]) -> tuple[str, ...]:
    """Every word of the captions, once, in alphabetical order."""
    return tuple(sorted({word for caption in captions for word in words(caption)}))


def read_words(folder: Path | None) -> tuple[str, ...] | None:
    """The words that lie in a cascade's folder, if any do."""
    file = None if folder is None else folder / FILE_NAME
    return tuple(file.read_text("utf-8").split()) if file is not None and file.is_file() else None


def write_words(known: Sequence[str] | None, folder: Path) -> None:
    """Put the words into a cascade's folder, where there are any."""
    if known is not None:
        write_text(folder / FILE_NAME, "\n".join(known) + "\n")
