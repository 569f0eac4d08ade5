"""A pipeline's network with what makes it faster: tried on a first call, pulled again where it was opened anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final
from weakref import ref

import torch

from dynaxx.spec.facts import NETWORKS
from dynaxx.stage.pipeline.levers import captured, choose, pull


@final
class Tried:
    """The levers of one pipeline, and the speed that was found with each."""

    def __init__(self) -> None:
        self.speeds = dict[str, float]()
        self._pulled: ref[torch.nn.Module] | None = None

    def pull(self, pipe: Any, run: Callable[[], object], names: tuple[str, ...], *, moves: bool) -> bool:
        """Have the pipeline's network as the levers make it; False where it is so already, or nothing can be tried.

        `run` calls the pipeline, and is left at its network's first call; `moves` says whether weights will be moved.
        """
        network = next((part for name in NETWORKS if (part := getattr(pipe, name, None)) is not None), None)
        if network is None or (self._pulled is not None and self._pulled() is network):
            return False
        if self._pulled is None:
            call = captured(network, run)
            if call is None:
                return False
            self.speeds = choose(network, call, names, moves=moves)
        else:
            pull(network, self.speeds)
        self._pulled = ref(network)
        return True
