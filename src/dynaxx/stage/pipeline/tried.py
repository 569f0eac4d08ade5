"""A pipeline's networks with what makes them faster: tried on a first call, pulled again where they are opened anew."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, final
from weakref import ref

import torch

from dynaxx.spec.facts import NETWORKS
from dynaxx.stage.levers.captured import captured
from dynaxx.stage.levers.choose import Trial, choose, pull


@final
class Trials:
    """What came of each lever, None before any was tried; replicas of a stage share it, and wait for the first."""

    def __init__(self) -> None:
        self.found: dict[str, Trial] | None = None
        self.lock = threading.Lock()

    def __deepcopy__(self, memo: dict[int, Any]) -> Trials:
        return self


@final
class Tried:
    """The levers of one pipeline, and what came of each."""

    def __init__(self) -> None:
        self._trials = Trials()
        self._pulled: list[ref[torch.nn.Module]] = []

    def pull(self, pipe: Any, run: Callable[[], object], names: tuple[str, ...], *, moves: bool) -> bool:
        """Have the pipeline's networks as the levers make them; False where they are, or nothing can be tried.

        `run` calls the pipeline, and is left at its first network's first call: a second expert is made as the first
        one. `moves` says whether weights will be moved.
        """
        networks = [part for name in NETWORKS if (part := getattr(pipe, name, None)) is not None]
        self._pulled = [one for one in self._pulled if any(one() is network for network in networks)]
        left = [network for network in networks if not any(one() is network for one in self._pulled)]
        if not left:
            return False
        with self._trials.lock:
            if self._trials.found is None:
                call = captured(left[0], run)
                if call is None:
                    return False
                self._trials.found = choose(left[0], call, names, moves=moves)
                self._pulled.append(ref(left.pop(0)))
        for network in left:
            pull(network, self._trials.found)
            self._pulled.append(ref(network))  # where the next one fails, this one is not pulled again
        return True

    def told(self) -> dict[str, dict[str, Any]]:
        """What came of every lever that was tried, for a trace."""
        return {name: asdict(trial) for name, trial in (self._trials.found or {}).items()}
