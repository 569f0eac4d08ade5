"""A master copy of weights that is made beside other work: they are read and pinned before they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import final

from torch import nn

from dynaxx.stage.pinned import Pinned


@final
class Coming:
    """At most one master that is on its way."""

    def __init__(self) -> None:
        self._future: Future[Pinned] | None = None

    def begin(self, modules: Sequence[nn.Module]) -> None:
        """Start to make a master of the modules, which nobody may use before `take`, and return at once."""
        if self._future is None:
            pool = ThreadPoolExecutor(1)
            self._future = pool.submit(Pinned, modules)
            pool.shutdown(wait=False)

    def take(self) -> Pinned | None:
        """The master, once it is made; None where none was begun, or it was taken."""
        future, self._future = self._future, None
        return future.result() if future is not None else None
