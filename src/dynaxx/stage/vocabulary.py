"""The words that a cascade was trained with, and which of them another word is taken for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cached_property
from pathlib import Path
from typing import final

import torch
from torch import Tensor

from dynaxx.errors import DataError
from dynaxx.stage.word_vectors import WordVectors
from dynaxx.stage.words import named, words
from dynaxx.store.atomic import write_text

FILE_NAME = "vocabulary.txt"
"""What the list is called inside a cascade's folder: a word a line."""
NEAR = 0.45
"""The least cosine at which a word is taken for another: "auto" and "automobile" have 0.57, "cat" and "banana" 0.25."""
FILLERS = frozenset(
    words(
        "a an the this that these those here there is are was were be been am do does did has have had can could will "
        "would shall should may might must it its he him his she her they them their my your our we us you i me who "
        "which what of to in on at by for from with into over under as so if then than and or but not no very just "
        "also too some any many much more most"
    )
)
"""Words that are never taken for others; where captions have them, they are words like all."""


@final
class Vocabulary:
    """A network has only seen the vectors of its captions' words; any other word is brought to the nearest of them."""

    def __init__(self, known: Collection[str], vectors: WordVectors) -> None:
        self.known = frozenset(known)
        self._vectors = vectors

    def taken_for(self, word: str) -> str | None:
        """The word itself where it is known, else the nearest by cosine of at least `NEAR`, if any."""
        if word in self.known:
            return word
        vector = None if word in FILLERS else self._vectors.guessed(word)
        names, stacked = self._candidates
        if vector is None or not names:
            return None
        likeness = stacked @ vector / self._vectors.width
        best = int(likeness.argmax())
        return names[best] if float(likeness[best]) >= NEAR else None

    def vector(self, word: str) -> Tensor | None:
        """The vector of the word that it is taken for; None leaves it out."""
        known = self.taken_for(word)
        return None if known is None else self._vectors.own(known)

    def notes(self, text: str, max_tokens: int) -> list[str]:
        """In words, what of a prompt is taken for something else, what is left out, and whether anything is left."""
        asked = [(word, self.taken_for(word)) for word in named(text)]
        others = dict.fromkeys(pair for pair in asked if pair[0] not in FILLERS and pair[0] != pair[1])
        found = [f"{word!r} is taken for {known!r}" for word, known in others if known is not None]
        found += [f"{word!r} is not understood" for word, known in others if known is None]
        heard = [known for _, known in asked if known is not None]
        if len(heard) > max_tokens:
            found.append(f"only the first {max_tokens} words of {text!r} count")
        return found if heard or not asked else [*found, f"{text!r} is drawn as if nothing were asked for"]

    @cached_property
    def _candidates(self) -> tuple[list[str], Tensor]:
        """The known words that are listed, and their vectors `(N, width)`."""
        rows = {word: row for word in sorted(self.known) if (row := self._vectors.listed(word)) is not None}
        return list(rows), torch.stack(list(rows.values())) if rows else torch.zeros(0, self._vectors.width)


def words_of(captions: Sequence[str]) -> tuple[str, ...]:
    """Every word of the captions, once, in alphabetical order."""
    return tuple(sorted({word for caption in captions for word in words(caption)}))


def read_words(folder: Path) -> tuple[str, ...] | None:
    """The words that lie in a cascade's folder, if any do.

    Raises:
        DataError: if the file cannot be read.
    """
    file = folder / FILE_NAME
    try:
        return tuple(file.read_text("utf-8").split()) if file.is_file() else None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            str(file), f"cannot be read ({error}).", "Copy it again from where the cascade came."
        ) from error


def write_words(known: Sequence[str] | None, folder: Path) -> None:
    """Put the words into a cascade's folder, and take away those of another cascade where there are none."""
    if known is None:
        (folder / FILE_NAME).unlink(missing_ok=True)
    else:
        write_text(folder / FILE_NAME, "\n".join(known) + "\n")
