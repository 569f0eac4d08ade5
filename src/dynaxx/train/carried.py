"""The data in other spaces: what happens to it on its way to a stage at every step alike is done once, and kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dynaxx.engine.spaces import convert
from dynaxx.signal.random import Draws
from dynaxx.signal.resample import resample
from dynaxx.spec.graph import Node
from dynaxx.spec.grid import PIXELS
from dynaxx.spec.grids import kernels
from dynaxx.spec.identity import digest
from dynaxx.spec.plain import plain
from dynaxx.stage.codecs import Codecs
from dynaxx.train.parts import Parts
from dynaxx.train.signals import decoded, encoded

EACH = 64


@final
@dataclass(frozen=True)
class Kept:
    """Signals `(N, C, *size)` in some space, and a stamp of all that they were made from."""

    values: NDArray[Any]
    stamp: str

    def at(self, rows: Any) -> Tensor:
        """The samples `rows`, float32."""
        return decoded(self.values[np.asarray(rows)])


@final
@dataclass(frozen=True)
class Carry:
    """From one space to another, each signal at its own size; and where `enters` says so, resized and encoded there."""

    theirs: str
    ours: str
    size: tuple[int, ...] = ()
    kernel: tuple[str, ...] = ()
    enters: str = ""

    @classmethod
    def over(cls, node: Node, name: str, parent: str) -> Carry:
        """What happens to a parent's signals on an edge before anything is drawn: no noise, no blur."""
        given = node.inputs[name]
        theirs = given.spaces[given.parents.index(parent)]
        if not enters_once(node, name):
            return cls(theirs, given.grid.space)
        return cls(theirs, given.grid.space, given.high.size, kernels(given.edge, given.high.size), node.grid.space)

    @property
    def idle(self) -> bool:
        """Whether nothing happens."""
        return self.theirs == self.ours and not self.enters

    @property
    def space(self) -> str:
        """Where it leads to."""
        return self.enters or self.ours

    def __call__(self, x: Tensor, codecs: Codecs, draws: Draws) -> Tensor:
        """Carry signals `(B, C, *size)`."""
        x = convert(x, self.theirs, self.ours, codecs, draws, purpose="posterior 0")
        if not self.enters:
            return x
        return convert(resample(x, self.size, self.kernel), self.ours, self.enters, codecs, draws, purpose="posterior")

    def stamp(self, codecs: Codecs) -> list[Any]:
        """All that it depends on: the codecs by identity, scale and shift, not by where they lie."""
        used = [name for name in (self.theirs, self.ours, self.enters) if name not in ("", PIXELS)]
        facts = [codecs.of(name).spec.model_copy(update={"load": "any"}) for name in used]
        spaces = [name if name in ("", PIXELS) else "latents" for name in (self.theirs, self.ours, self.enters)]
        return [spaces, plain(facts), self.size, self.kernel]


@final
@dataclass(frozen=True)
class Carrier:
    """Carries data and keeps it in `folder`; what leads to pixels is kept in the format `pixels`."""

    folder: Path
    codecs: Codecs
    pixels: np.dtype[Any]
    device: torch.device
    note: Callable[[str], None]

    def made(self, kept: Kept, carry: Carry, *, folder: Path | None = None) -> Kept:
        """The data carried, as it was kept before by the same codecs, or made now.

        Raises:
            RunError: where it cannot be written.
        """
        if carry.idle:
            return kept
        stamp = digest([kept.stamp, *carry.stamp(self.codecs)])
        dtype = self.pixels if carry.space == PIXELS else np.dtype(np.float32)
        shape = (len(kept.values), *self._carried(kept, carry, range(1), stamp).shape[1:])
        parts = Parts((folder or self.folder) / f"carried-{stamp}.npy", shape, dtype, EACH)
        if parts.missing:
            self.note(f"The data is carried from {carry.theirs} to {carry.space}.")
            for part in range(parts.done, parts.count):
                parts.write(part, encoded(self._carried(kept, carry, parts.rows(part), stamp), dtype))
            parts.finish()
        return Kept(parts.read(), stamp)

    def _carried(self, kept: Kept, carry: Carry, rows: range, stamp: str) -> Tensor:
        self.codecs.to(self.device)
        return carry(kept.at(rows).to(self.device), self.codecs, Draws(0, f"data/{stamp}", tuple(rows))).cpu()


def enters_once(node: Node, name: str) -> bool:
    """Whether an input that is encoded last of all, is encoded alike at every step: nothing is drawn before that."""
    given = node.inputs[name]
    noise = given.edge.noise
    drawn = given.edge.blur is not None or (noise is not None and noise.at == "low")
    return bool(node.path(name)) and given.grid.space != node.grid.space and len(given.parents) == 1 and not drawn
