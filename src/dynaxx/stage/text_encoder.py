"""Text encoders: from prompts to tokens that a network can attend to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, final

import torch
from torch import Tensor

from dynaxx.errors import MissingExtraError, RunError, SpecError
from dynaxx.spec.condition import TextSpec
from dynaxx.stage.absent import reason_of, refuse_absent, ways_out
from dynaxx.stage.vocabulary import Vocabulary
from dynaxx.stage.word_vectors import word_vectors
from dynaxx.stage.words import Words, named

WHERE = "condition.text.encoder"
WAYS = ("Name a folder that holds it", "set `encoder: words`")


class TextEncoder(Protocol):
    """From B prompts to `tokens (B, T, D)` and `mask (B, T)`, True where a token stands; "" has none."""

    def __call__(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Encode the prompts."""


def make_text_encoder(
    spec: TextSpec, *, known: Sequence[str] | None = None, allow_download: bool = False
) -> TextEncoder:
    """The encoder that a condition names; only a folder or what is already cached, unless downloads are allowed.

    `known`: the words that a cascade was trained with, to which word vectors bring all others.

    Raises:
        MissingExtraError: if the encoder needs transformers and it is not installed.
        RunError: if the encoder cannot be read.
        SpecError: if its vectors are not of the width that the cascade says.
    """
    if spec.encoder == "words":
        return Words(spec.width, spec.max_tokens)
    if spec.encoder == "word-vectors":
        return _word_vectors(spec, known)
    return Pretrained(spec, allow_download=allow_download)


@final
class Pretrained:
    """The last hidden states of a Hugging Face text encoder (CLIP, T5, BERT and their kin)."""

    def __init__(self, spec: TextSpec, *, allow_download: bool = False) -> None:
        self.spec = spec
        self._tokenizer, self._model = _load(spec.encoder, allow_download)
        _check_width(spec, self._model.config.hidden_size)

    @torch.no_grad()
    def __call__(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Encode prompts, cut or padded to `max_tokens`; padding is zero."""
        ids = self._tokenizer(
            list(texts), padding="max_length", truncation=True, max_length=self.spec.max_tokens, return_tensors="pt"
        )
        asked = torch.tensor([bool(text) for text in texts]).unsqueeze(1)
        mask = ids["attention_mask"].bool()
        hidden = self._model(input_ids=ids["input_ids"], attention_mask=ids["attention_mask"]).last_hidden_state
        mask = mask & asked
        return hidden.float() * mask.unsqueeze(2), mask


def _word_vectors(spec: TextSpec, known: Sequence[str] | None) -> Words:
    vectors = word_vectors()
    _check_width(spec, vectors.width)
    vector_of = vectors.own if known is None else Vocabulary(known, vectors).vector
    return Words(spec.width, spec.max_tokens, vector_of, heard=named)


def _check_width(spec: TextSpec, width: int) -> None:
    if width != spec.width:
        problem = f"expects width {spec.width}, but {spec.encoder!r} gives {width}."
        raise SpecError("condition.text.width", problem, f"Set condition.text.width: {width}.")


def _load(name: str, allow_download: bool) -> tuple[Any, Any]:
    try:
        from transformers import AutoModelForTextEncoding, AutoTokenizer
    except ImportError as error:
        fix = "Install it with `pip install 'dynaxx[text]'`, or set `encoder: words`."
        raise MissingExtraError(WHERE, f"{name!r} needs transformers.", fix) from error
    refuse_absent(WHERE, name, None, WAYS, allow_download=allow_download)
    local = not allow_download
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, local_files_only=local)
        model = AutoModelForTextEncoding.from_pretrained(name, local_files_only=local, use_safetensors=True)
    except (OSError, ValueError, KeyError) as error:
        fix = ways_out(WAYS, name, None, allow_download=allow_download)
        raise RunError(WHERE, f"{name!r} cannot be read ({reason_of(error)}).", fix) from error
    return tokenizer, model.eval().requires_grad_(False)
