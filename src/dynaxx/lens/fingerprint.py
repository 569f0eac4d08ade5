"""What a stage is made of, as a few digits: the same weights and stored signals give the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import torch
from torch import Tensor

from dynaxx.stage.diffusion import Diffusion
from dynaxx.stage.empirical import Empirical
from dynaxx.stage.gaussian import Gaussian
from dynaxx.stage.regression import Regression
from dynaxx.stage.stage import Stage


def digest_of(tensors: Iterable[Tensor], *words: object) -> str:
    """16 hex digits of the bytes and shapes of tensors, and of words."""
    digest = hashlib.blake2b(repr(words).encode(), digest_size=8)
    for x in tensors:
        held = x.detach().to("cpu").contiguous()
        digest.update(repr((tuple(held.shape), str(held.dtype))).encode())
        digest.update(held.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def fingerprint(stage: Stage) -> str | None:
    """The stage's content; None where nobody knows what it does inside (a class of the user's own)."""
    if isinstance(stage, Gaussian):
        return "gaussian"  # all of it is in the spec
    if isinstance(stage, Empirical):
        library = stage.library
        return digest_of([library.full], "empirical", library.kernel, [(s.id, s.caption) for s in library.samples])
    if isinstance(stage, Diffusion | Regression):
        return digest_of(stage.network.state_dict().values(), type(stage).__name__)
    return None
