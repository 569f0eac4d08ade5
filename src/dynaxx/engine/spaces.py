"""Signals between spaces on an edge: decoded or encoded on their way into it, and encoded on their way into a stage."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from dynaxx.signal.random import Draws
from dynaxx.spec.graph import EdgeInput, Node
from dynaxx.spec.grid import PIXELS
from dynaxx.stage.codecs import Codecs


def bring(given: EdgeInput, parents: Sequence[Tensor], codecs: Codecs, draws: Draws) -> list[Tensor]:
    """The parents' outputs in the space where the edge works, each at its own size."""
    return [
        convert(x, space, given.grid.space, codecs, draws, purpose=f"posterior {number}")
        for number, (x, space) in enumerate(zip(parents, given.spaces, strict=True))
    ]


def entering(node: Node, name: str, codecs: Codecs, draws: Draws) -> Callable[[Tensor], Tensor] | None:
    """What is done to an input that the edge has resized, before it enters the stage; None where nothing is."""
    ours, theirs = node.grid.space, node.inputs[name].grid.space
    if not node.path(name) or ours == theirs:
        return None
    return lambda x: convert(x, theirs, ours, codecs, draws, purpose="posterior")


def convert(x: Tensor, theirs: str, ours: str, codecs: Codecs, draws: Draws, *, purpose: str) -> Tensor:
    """A signal `(B, C, *size)` from one space in another, through pixels where both are latent."""
    if theirs == ours:
        return x
    if theirs != PIXELS:
        x = codecs.of(theirs).decode(x)
    return x if ours == PIXELS else codecs.of(ours).encode(x, draws, purpose=purpose)
