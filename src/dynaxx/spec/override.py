"""Change settings by path: `bridge.solver.steps: 10`; the result is checked like a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

from dynaxx.errors import SpecError
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.files import parse
from dynaxx.spec.grids import resolve
from dynaxx.spec.known import known_keys, types_at
from dynaxx.spec.plain import plain
from dynaxx.spec.problem import did_you_mean, listed
from dynaxx.spec.reader import value_of
from dynaxx.spec.rules_tiles import uncut
from dynaxx.spec.stage import SHORT

BY_AXIS = ("scale", "resize")
"""Keys that hold a value for all axes, or one per group of them."""
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
    axes = {name: grids[0].axes for name, grids in resolve(spec).outs.items() if grids[0]}
    for path, value in settings.items():
        _put(data, path, value, axes)
    return parse(data)


def _put(data: dict[str, Any], path: str, value: Any, axes: Mapping[str, str]) -> None:
    head, *keys = path.split(".")
    stages = data["stages"] if isinstance(data.get("stages"), (list, tuple)) else ()
    names = {str(stage.get("name")): index for index, stage in enumerate(stages) if isinstance(stage, dict)}
    here, loc = data, list[str | int]()
    if head in names:
        here = stages[names[head]]
        loc = ["stages", names[head], here.get("kind", "diffusion")]
        if not keys:
            raise SpecError(path, "names a whole stage.", f"Name a setting of it: {path}.solver.steps.")
        keys = _long(here, keys)
    else:
        keys = [head, *keys]
    for key, inner in pairwise(keys):
        _check(here, loc, key, path, names)
        here[key] = _mapping(key, here.get(key), path, inner, axes.get(head, ""))
        here, loc = here[key], [*loc, key, *_kind(here[key])]
    _check(here, loc, keys[-1], path, names)
    _set(here, loc, keys[-1], _read(value, loc, keys[-1], path) if isinstance(value, str) else plain(value))


def _long(stage: dict[str, Any], keys: list[str]) -> list[str]:
    """`from` on a stage is short for `inputs.low.from`."""
    if keys[0] not in SHORT:
        return keys
    stage["inputs"] = {"low": {}, **(stage.get("inputs") or {})}
    return ["inputs", "low", *keys]


def _read(text: str, loc: list[str | int], key: str, path: str) -> Any:
    """The value that a text stands for; where only a text can be meant, the text as it is (or without its quotes)."""
    wanted = types_at(loc, key)
    if wanted == [str] or (wanted == [str | None] and text not in ("null", "~")):
        return _unquoted(text)
    if not text.strip():
        raise SpecError(path, "is given no value.", "Give one; `null` takes it back to its default.")
    return value_of(text, path)


def _unquoted(text: str) -> str:
    try:
        said = value_of(text, "")
    except SpecError:
        return text
    return said if isinstance(said, str) else text


def _set(here: dict[str, Any], loc: list[str | int], key: str, value: Any) -> None:
    if key == "kind" and isinstance(value, str) and value != here.get("kind"):
        known = known_keys([*(loc[:-1] if loc[-1] == here.get("kind") else loc), value])
        for stale in [other for other in here if known and other not in known]:
            del here[stale]
    if value is None:
        here.pop(key, None)
    else:
        here[key] = value


def _kind(here: Mapping[str, Any]) -> list[str]:
    return [here["kind"]] if isinstance(here.get("kind"), str) else []


def _mapping(key: str, value: Any, path: str, inner: str, axes: str) -> dict[str, Any]:
    """What stands at a key, as a mapping, so that its part `inner` can be set; some keys have a short form."""
    if isinstance(value, dict):
        return _parted(value, inner) if key in BY_AXIS else value
    if key in BY_AXIS and value is not None and axes:
        return _parted(dict.fromkeys(axes, value), inner)
    if key == "low" and isinstance(value, str):
        return {"from": value}
    if key == "guidance":
        return {"scale": value}
    if value is None:
        return {}
    shown = "a list" if isinstance(value, (list, tuple)) else repr(value)
    fix = "Begin with a stage's name." if key == "stages" else f"Set {key!r} itself."
    raise SpecError(path, f"{key!r} is {shown}, which has no parts.", fix)


def _parted(groups: dict[str, Any], group: str) -> dict[str, Any]:
    """Values by groups of axes, with those groups taken apart that share an axis with `group`."""
    apart = {axis for other in groups if other != group and set(other) & set(group) for axis in other}
    kept = {other: value for other, value in groups.items() if not apart.intersection(other)}
    by_axis = {axis: value for other, value in groups.items() for axis in other}
    return kept | {axis: value for axis, value in by_axis.items() if axis in apart and axis not in group}


def _check(here: Mapping[str, Any], loc: list[str | int], key: str, path: str, names: Iterable[str]) -> None:
    known = list(here) if loc and loc[-1] in NAMED else known_keys(loc)
    if known and key not in known:
        known = known if loc else [*known, *names]
        raise SpecError(path, f"{key!r} is unknown.", f"{did_you_mean(key, known)}Known: {listed(known)}.")


def tile_settings(spec: CascadeSpec, side: int | None, size: tuple[int, ...] | None = None) -> dict[str, int]:
    """The settings by which every stage that can be cut works in tiles of `side` sites of its low input.

    `size` is the base size of the run.

    Raises:
        SpecError: if a side is given and no stage can be cut.
    """
    if side is None:
        return {}
    grids = resolve(spec, size)
    cut = [stage.name for stage in spec.stages if not uncut(spec, stage, grids)]
    if not cut:
        what = "cuts up a stage that reads a finished `low` alone and grows it a whole number of times; there is none."
        raise SpecError("tile", what, "Leave it out.")
    return {f"{name}.tile": side for name in cut}
