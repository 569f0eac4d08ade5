"""A text encoder without a download: a vector per word and its place; without others, each word has one of its own."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import final

import torch
from torch import Tensor

from dynaxx.signal.random import Draws

_WORD = re.compile(r"[^\W_]+")
ARTICLES = frozenset({"a", "an", "the"})


def words(text: str) -> list[str]:
    """The words of a text in lower case, punctuation dropped.

    >>> words("A red-haired Cat, smiling!")
    ['a', 'red', 'haired', 'cat', 'smiling']
    """
    return _WORD.findall(unicodedata.normalize("NFKC", text).lower())


def named(text: str) -> list[str]:
    """The words of a text, less an article that it begins with: "a rocket" names what "rocket" does.

    >>> named("The horns"), named("a"), named("diamond with a dot")
    (['horns'], ['a'], ['diamond', 'with', 'a', 'dot'])
    """
    found = words(text)
    return found[1:] if found[1:] and found[0] in ARTICLES else found


@lru_cache(maxsize=65536)
def vector(word: str, width: int) -> Tensor:
    """Standard normal numbers `(width,)` that depend on the word alone: nearly orthogonal for two words."""
    return Draws(0, "/words", (0,)).normal(word, (width,))[0]


@lru_cache
def positions(count: int, width: int) -> Tensor:
    """Sines and cosines of the place in the sentence, `(count, width)` (arXiv 1706.03762, section 3.5)."""
    half = math.ceil(width / 2)
    rates = torch.exp(-math.log(10_000) * torch.arange(half, dtype=torch.float64) / half)
    angles = torch.arange(count, dtype=torch.float64).unsqueeze(1) * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)[:, :width].float()


@final
class Words:
    """token i = vector(word i) + position i; at most `max_tokens` words, the rest is dropped.

    `vector_of` gives a word's vector, or None to leave the word out; by default each word has one of its own. `heard`
    finds the words of a text.
    """

    def __init__(
        self, width: int, max_tokens: int, vector_of: Callable[[str], Tensor | None] | None = None, *,
        heard: Callable[[str], list[str]] = words,
    ) -> None:  # fmt: skip
        self.width, self.max_tokens = width, max_tokens
        self._vector_of, self._heard = vector_of or partial(vector, width=width), heard

    def __call__(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """`tokens (B, max_tokens, width)`, zero beyond the text, and `mask (B, max_tokens)`."""
        tokens = torch.zeros(len(texts), self.max_tokens, self.width)
        mask = torch.zeros(len(texts), self.max_tokens, dtype=torch.bool)
        place = positions(self.max_tokens, self.width)
        for row, text in enumerate(texts):
            vectors = (self._vector_of(word) for word in self._heard(text))
            found = [known for known in vectors if known is not None][: self.max_tokens]
            for i, known in enumerate(found):
                tokens[row, i] = known + place[i]
            mask[row, : len(found)] = True
        return tokens, mask
