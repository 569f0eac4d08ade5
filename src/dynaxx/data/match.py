"""How well a prompt names each picture: a cosine of words weighted by how rare they are."""

from __future__ import annotations

import difflib
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from dynaxx.data.sample import Sample

KEYWORD = 0.4
"""What a keyword weighs beside a word of the caption."""
NEARLY = 0.99
"""The most that anything but the exact caption can reach."""
FILLERS = frozenset(
    {"an", "and", "at", "behind", "by", "for", "from", "in", "is", "of", "on", "or", "over", "the", "to", "with"}
)
_WORD = re.compile(r"[^\W_]+")


def stems(text: str) -> list[str]:
    """The words of a text that tell pictures apart, so that singular and plural are one.

    >>> stems("Two knives, a knife and the Cherries")
    ['two', 'knif', 'knif', 'cherri']
    """
    words = _WORD.findall(unicodedata.normalize("NFKC", text).lower().replace("'s", ""))
    return [_stem(word) for word in words if len(word) > 1 and word not in FILLERS]


def match(prompt: str, samples: Sequence[Sample]) -> Tensor:
    """How well `prompt` names each of the samples, `(N,)` float32 in [0, 1].

    The cosine between q_w = idf_w for the prompt's words and d_w = idf_w (times 0.4 for keywords), over words w that
    the samples know, with idf_w = ln(1 + N / n_w): 1 for the exact caption, at most 0.99 for anything else, all zero
    where no word is known.
    """
    wanted = stems(prompt)
    texts = [_weights(sample.caption, sample.keywords) for sample in samples]
    count = Counter(word for text in texts for word in text)
    idf = {word: math.log1p(len(samples) / count[word]) for word in set(wanted) & set(count)}
    if not idf:
        return torch.zeros(len(samples))
    scores = torch.zeros(len(samples), dtype=torch.float64)
    for i, text in enumerate(texts):
        if dot := sum(value**2 * text.get(word, 0.0) for word, value in idf.items()):
            d = [math.log1p(len(samples) / count[word]) * weight for word, weight in text.items()]
            exact = wanted == stems(samples[i].caption)
            scores[i] = 1.0 if exact else NEARLY * dot / (math.hypot(*idf.values()) * math.hypot(*d))
    return scores.float()


def suggest(prompt: str, samples: Sequence[Sample], *, count: int = 5) -> tuple[str, ...]:
    """Captions that were perhaps meant: those that match, else those with words spelt like the prompt's."""
    fits = match(prompt, samples)
    if not fits.any():
        known = sorted({word for sample in samples for word in _weights(sample.caption, sample.keywords)})
        close = [near for word in stems(prompt) for near in difflib.get_close_matches(word, known, 2, 0.7)]
        fits = match(" ".join(close), samples)
    best = fits.sort(descending=True, stable=True)
    captions = [
        samples[i].caption for value, i in zip(best.values.tolist(), best.indices.tolist(), strict=True) if value > 0
    ]
    return tuple(dict.fromkeys(captions))[:count]


@lru_cache(maxsize=65536)
def _weights(caption: str, keywords: tuple[str, ...]) -> dict[str, float]:
    """1 for words of the caption, less for those of the keywords alone."""
    return dict.fromkeys(stems(" ".join(keywords)), KEYWORD) | dict.fromkeys(stems(caption), 1.0)


def _stem(word: str) -> str:
    """Strip a plural s, then an e; y and i, v and f are one: leaf, leaves; cherry, cherries; box, boxes."""
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    if len(word) > 3 and word.endswith("e"):
        word = word[:-1]
    return word[:-1] + {"y": "i", "v": "f"}.get(word[-1], word[-1])
