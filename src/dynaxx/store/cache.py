"""Where things are kept outside of runs: a folder of what can be made again, and one of what the user writes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from dynaxx.errors import RunError
from dynaxx.store.atomic import write_text
from dynaxx.store.strict_json import strict_json

PLACE = "DYNAXX_CACHE"
"""The environment variable that names another folder."""


def cache_folder(*parts: str) -> Path:
    """`$DYNAXX_CACHE`, else `dynaxx` in the user's cache folder; `parts` lie below it. It need not be there yet."""
    named = os.environ.get(PLACE)
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(named or Path(home, "dynaxx"), *parts)


def config_folder(*parts: str) -> Path:
    """`$XDG_CONFIG_HOME/dynaxx`, else `~/.config/dynaxx`: what the user writes, and nobody may empty."""
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home, "dynaxx", *parts)


def recall(path: Path) -> Any:
    """What `remember` wrote, or None where there is nothing, or nothing whole."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def remember(path: Path, data: Any) -> bool:
    """Write plain data, if the folder can be written to; say whether it was."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, strict_json(data))
    except (OSError, RunError):
        return False
    return True
