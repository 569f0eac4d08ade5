"""How a cascade understands prompts: its text encoder, the words that its stages know, and what is taken for them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import final

from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.stage import TRAINABLE
from dynaxx.stage.build import weights_folder
from dynaxx.stage.text_encoder import TextEncoder, make_text_encoder
from dynaxx.stage.vocabulary import Vocabulary, read_words
from dynaxx.stage.word_vectors import word_vectors


@final
class Wording:
    """The text of one cascade, whose relative paths start at `root`; what is read for it is read when it is needed."""

    def __init__(self, spec: CascadeSpec, root: Path | None, *, allow_download: bool) -> None:
        self._spec, self._root, self._allow_download = spec, root, allow_download

    @cached_property
    def encoder(self) -> TextEncoder | None:
        """From prompts to tokens; None where the cascade takes no text."""
        text = self._spec.condition.text
        return make_text_encoder(text, known=self.words, allow_download=self._allow_download) if text else None

    @cached_property
    def words(self) -> tuple[str, ...] | None:
        """The words that the stages were trained with, where the encoder brings others to them: beside the weights."""
        text = self._spec.condition.text
        if text is None or text.encoder != "word-vectors":
            return None
        trained = [stage for stage in self._spec.stages if isinstance(stage, TRAINABLE)]
        folders = dict.fromkeys(weights_folder(stage, self._root).parent.parent for stage in trained)
        found = [words for folder in folders if (words := read_words(folder)) is not None]
        return tuple(sorted({word for words in found for word in words})) if found else None

    def notes(self, prompts: Sequence[str]) -> tuple[str, ...]:
        """In words, which parts of the prompts are taken for something else, and which are not understood at all."""
        text = self._spec.condition.text
        if self.words is None or text is None:
            return ()
        known = Vocabulary(self.words, word_vectors())
        return tuple(dict.fromkeys(note for prompt in prompts for note in known.notes(prompt, text.max_tokens)))
