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
        self._pulled: ref[torch.nn.Module] | None = None

    def pull(self, pipe: Any, run: Callable[[], object], names: tuple[str, ...], *, moves: bool) -> bool:
        """Have the pipeline's networks as the levers make them; False where they are, or nothing can be tried.

        `run` calls the pipeline, and is left at its first network's first call: a second expert is made as the first
        one. `moves` says whether weights will be moved.
        """
        networks = [part for name in NETWORKS if (part := getattr(pipe, name, None)) is not None]
        if not networks or (self._pulled is not None and self._pulled() is networks[0]):
            return False
        again = networks
        with self._trials.lock:
            if self._trials.found is None:
                call = captured(networks[0], run)
                if call is None:
                    return False
                self._trials.found, again = choose(networks[0], call, names, moves=moves), networks[1:]
        for network in again:
            pull(network, self._trials.found)
        self._pulled = ref(networks[0])
        return True

    def told(self) -> dict[str, dict[str, Any]]:
        """What came of every lever that was tried, for a trace."""
        return {name: asdict(trial) for name, trial in (self._trials.found or {}).items()}
