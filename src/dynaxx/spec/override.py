"""Change settings by path: `bridge.solver.steps: 10`; the result is checked like a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dynaxx.errors import SpecError
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.explain import known_keys
from dynaxx.spec.files import parse
from dynaxx.spec.plain import plain
from dynaxx.spec.problem import did_you_mean, listed
from dynaxx.spec.reader import value_of

NAMED = ("inputs", "codecs")
"""Mappings whose keys are the user's own names."""


def override(spec: CascadeSpec, settings: Mapping[str, Any]) -> CascadeSpec:
    """The cascade with settings changed, each named by stage (or cascade field) and keys, joined by dots.

    Values may be texts as from a command line, read as YAML: `"10"`, `"[32, 32]"`, `"{kind: heun}"`. None takes
    a setting back to its default. A new `kind` keeps the settings that it has too.

    Raises:
        SpecError: where a path is unknown, or the changed cascade cannot be meant.
    """
    data = spec.model_dump(by_alias=True)
    for path, value in settings.items():
        _put(data, path, value_of(value, path) if isinstance(value, str) else plain(value))
    return parse(data)


def _put(data: dict[str, Any], path: str, value: Any) -> None:
    head, *keys = path.split(".")
    names = [stage["name"] for stage in data["stages"]]
    here, loc = data, list[str | int]()
    if head in names:
        here = data["stages"][names.index(head)]
        loc = ["stages", names.index(head), here["kind"]]
        if not keys:
            raise SpecError(path, "names a whole stage.", f"Name a setting of it: {path}.solver.steps.")
    else:
        keys = [head, *keys]
    for key in keys[:-1]:
        _check(here, loc, key, path, names)
        here[key] = _mapping(key, here.get(key), path)
        here, loc = here[key], [*loc, key, *_kind(here[key])]
    _check(here, loc, keys[-1], path, names)
    _set(here, loc, keys[-1], value)


def _set(here: dict[str, Any], loc: list[str | int], key: str, value: Any) -> None:
    if key == "kind" and isinstance(value, str) and value != here.get("kind"):
        known = known_keys([*(loc[:-1] if loc[-1] == here.get("kind") else loc), value])
        for stale in [other for other in here if other not in known]:
            del here[stale]
    if value is None:
        here.pop(key, None)
    else:
        here[key] = value


def _kind(here: Mapping[str, Any]) -> list[str]:
    return [here["kind"]] if isinstance(here.get("kind"), str) else []


def _mapping(key: str, value: Any, path: str) -> dict[str, Any]:
    """What stands at a key, as a mapping, so that a part of it can be set; guidance has a short form."""
    if isinstance(value, dict):
        return value
    if key == "guidance":
        return {"scale": value}
    if value is None:
        return {}
    raise SpecError(path, f"{key!r} is {value!r}, which has no parts.", f"Set {key!r} itself.")


def _check(here: Mapping[str, Any], loc: list[str | int], key: str, path: str, names: list[str]) -> None:
    known = list(here) if loc and loc[-1] in NAMED else known_keys(loc)
    if known and key not in known:
        known = known if loc else [*known, *names]
        raise SpecError(path, f"{key!r} is unknown.", f"{did_you_mean(key, known)}Known: {listed(known)}.")
