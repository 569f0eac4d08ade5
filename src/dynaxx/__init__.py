"""Diffusion cascades: plan, train, run, examine, change and share them.

The front door. Importing it is instant: torch is loaded when a name that needs it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dynaxx.errors import DataError, DynaxxError, MissingExtraError, RunError, SpecError, StoppedError, UsageError
from dynaxx.signal.threads import give_way_soon

if TYPE_CHECKING:
    from dynaxx.engine.cascade import Cascade
    from dynaxx.engine.runtime import Runtime
    from dynaxx.share.save import save
    from dynaxx.spec.cascade import CascadeSpec
    from dynaxx.spec.files import dump, load, loads

__version__ = "0.1.0.dev0"

__all__ = [
    "Cascade",
    "CascadeSpec",
    "DataError",
    "DynaxxError",
    "MissingExtraError",
    "RunError",
    "Runtime",
    "SpecError",
    "StoppedError",
    "UsageError",
    "dump",
    "load",
    "loads",
    "save",
]

_HOMES = {
    "Cascade": "dynaxx.engine.cascade",
    "CascadeSpec": "dynaxx.spec.cascade",
    "Runtime": "dynaxx.engine.runtime",
    "dump": "dynaxx.spec.files",
    "load": "dynaxx.spec.files",
    "loads": "dynaxx.spec.files",
    "save": "dynaxx.share.save",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dynaxx' has no attribute {name!r}")
    home = _HOMES[name]
    if not home.startswith("dynaxx.spec."):  # which knows no torch
        give_way_soon()
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
