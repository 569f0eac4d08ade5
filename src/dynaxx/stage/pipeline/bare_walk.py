"""The levels of a pipeline's walk from its scheduler's configuration alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dynaxx.noise.level import Level
from dynaxx.stage.pipeline.walk import levels_of


def bare_levels(name: str, config: Mapping[str, Any], steps: int) -> list[Level] | None:
    """The level at which each of `steps` steps begins; None where the scheduler is not known, or asks for more."""
    import diffusers

    found: Any = getattr(diffusers, name, None)
    if not isinstance(found, type) or not issubclass(found, diffusers.SchedulerMixin):
        return None
    made: Any = found
    try:
        scheduler = made.from_config({key: value for key, value in config.items() if not key.startswith("_")})
        scheduler.set_timesteps(steps)
    except (TypeError, ValueError):
        return None
    return levels_of(scheduler)[:-1]
