"""What comes back of a low input: the answer to it, brought to its own grid and space, beside what left there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import Tensor

from dynaxx.errors import RunError
from dynaxx.lens.bench import Bench
from dynaxx.signal.random import Draws
from dynaxx.signal.resample import resample
from dynaxx.spec.graph import Node
from dynaxx.spec.grid import PIXELS
from dynaxx.spec.stage import PipelineStage
from dynaxx.stage.codecs import Codecs

KERNEL = "bicubic-antialias"


@final
@dataclass(frozen=True)
class Crossed:
    """`left` is what the low input was and `back` what the answer to it is there, both `(n, C, *size)`.

    Where the answer lies in another space both went the same way, through the codec: what that changes, it changes
    in both.
    """

    left: Tensor
    back: Tensor


def foreign(node: Node) -> bool:
    """Whether an edge brings somebody else's signals: to a pretrained pipeline, or out of or into a latent space."""
    if "low" not in node.inputs or len(node.inputs["low"].parents) != 1:
        return False
    spaces = {*node.inputs["low"].spaces, node.grid.space}
    return isinstance(node.stage, PipelineStage) or spaces != {PIXELS}


def crossed(bench: Bench, node: Node) -> Crossed | str:
    """What comes back of the node's low input, or why that cannot be seen."""
    codecs, space = bench.taps.cascade.codecs, node.inputs["low"].spaces[0]
    low, answer = bench.low_of(node), bench.own(node)
    if space == node.grid.space:
        if low.shape[1] != answer.shape[1]:
            return f"it reads {low.shape[1]} channels and answers with {answer.shape[1]}"
        return Crossed(low, resample(answer, low.shape[2:], KERNEL))
    missing = [name for name in (space, node.grid.space) if name not in (PIXELS, *codecs.specs)]
    if missing:
        return f"no codec is declared for the space {missing[0]!r}"
    try:
        return _through(node, codecs, low, answer, bench.taps.seed)
    except RunError as error:
        return str(error)


def _through(node: Node, codecs: Codecs, low: Tensor, answer: Tensor, seed: int) -> Crossed:
    """Through pixels, in which answers are shrunk, and by the codec of the low input back into its space."""
    space = node.inputs["low"].spaces[0]
    pixels = answer if node.grid.space == PIXELS else codecs.of(node.grid.space).decode(answer)
    if space == PIXELS:
        return Crossed(low, resample(pixels, low.shape[2:], KERNEL))
    codec, draws = codecs.of(space), Draws(seed, "lens", tuple(range(len(low))))
    shown = codec.decode(low)
    shrunk = resample(pixels, shown.shape[2:], KERNEL)
    return Crossed(codec.encode(shown, draws), codec.encode(shrunk, draws))
