"""Word vectors that travel with the package: words of like meaning have like vectors."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import final

import torch
from torch import Tensor

from dynaxx.stage.words import vector

FILE = Path(__file__).parents[1] / "bundled" / "word-vectors.safetensors"
SHORTEST = 3
"""The shortest beginning by which a longer word may be known."""


@final
class WordVectors:
    """Unit vectors times sqrt(width), so that numbers are of unit variance, kept as bytes with a scale per word.

    They are all-MiniLM-L6-v2's mean token states (Apache-2.0) of single words, brought to fewer dimensions by principal
    components; `tools/make_word_vectors.py` makes the file.
    """

    def __init__(self, words: list[str], vectors: Tensor, scales: Tensor) -> None:
        self.width = vectors.shape[1]
        self._rows = {word: row for row, word in enumerate(words)}
        self._vectors, self._scales = vectors, scales

    def listed(self, word: str) -> Tensor | None:
        """The vector `(width,)` of a word that is listed."""
        row = self._rows.get(word)
        return None if row is None else self._vectors[row].float() * self._scales[row]

    def own(self, word: str) -> Tensor:
        """The listed vector, else a fixed one that no other word has: no two words of captions are ever the same."""
        found = self.listed(word)
        return vector(word, self.width) if found is None else found

    def guessed(self, word: str) -> Tensor | None:
        """The listed vector, else that of the longest listed beginning that is at least half of the word, if any."""
        shortest = min(len(word), max(SHORTEST, (len(word) + 1) // 2))
        found = (self.listed(word[:end]) for end in range(len(word), shortest - 1, -1))
        return next((known for known in found if known is not None), None)


@lru_cache(maxsize=1)
def word_vectors() -> WordVectors:
    """The bundled vectors, read once."""
    from safetensors import safe_open

    with safe_open(FILE, framework="pt") as file:
        words = file.metadata()["words"].split()
        return WordVectors(words, file.get_tensor("vectors"), file.get_tensor("scales"))


def save_word_vectors(words: list[str], vectors: Tensor, path: Path, *, source: str) -> None:
    """Write words with their vectors `(N, width)`, of length sqrt(width), as steps of a 127th of the largest."""
    from safetensors.torch import save_file

    vectors = torch.nn.functional.normalize(vectors, dim=1) * vectors.shape[1] ** 0.5
    scales = vectors.abs().amax(1) / 127
    steps = (vectors / scales.unsqueeze(1)).round().to(torch.int8)
    save_file({"vectors": steps, "scales": scales}, path, metadata={"words": " ".join(words), "source": source})
