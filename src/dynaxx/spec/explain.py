"""Validation errors in the user's words: a line per problem, with its place, its value and the way out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from dynaxx.errors import SpecError
from dynaxx.spec.base import NAME_PATTERN
from dynaxx.spec.codec import IDENTITY_PATTERN
from dynaxx.spec.data import COLOUR_PATTERN
from dynaxx.spec.edge import EdgeSpec
from dynaxx.spec.known import keys_of, kind_of, kinds_at, known_keys, models_at
from dynaxx.spec.problem import Problem, Violations, did_you_mean, error_of, listed, place
from dynaxx.spec.stage import TARGET_PATTERN, BaseStage

Path = tuple[str | int, ...]
_EXPECTED = {
    "int": ("a whole number", "Write one, say 8."),
    "float": ("a number", "Write one, say 0.5."),
    "bool": ("true or false", "Write one of them."),
    "string": ("a text", "Put it in quotes."),
    "tuple": ("a list", "Write it in brackets: [ ... ]."),
    "list": ("a list", "Write it in brackets: [ ... ]."),
    "dict": ("a mapping", "Write it in braces: {key: value}."),
    "model": ("a mapping", "Write it in braces: {key: value}."),
    "finite": ("a finite number", "Write one, say 0.5."),
}
_PATTERNS = {
    NAME_PATTERN: ("is no name.", "Use lower-case letters, digits, - and _, beginning with a letter: `bridge-2`."),
    COLOUR_PATTERN: ("is no colour.", "Write six hexadecimal digits in quotes: '#ffffff'."),
    IDENTITY_PATTERN: ("is no identity.", "Leave it out: training writes it down."),
    TARGET_PATTERN: ("is no path to a class.", "Write `module:Class`, such as `package.module:Class`."),
}
_BOUNDS = {"greater_than": ("gt", "above"), "greater_than_equal": ("ge", "at least"),
           "less_than": ("lt", "below"), "less_than_equal": ("le", "at most")}  # fmt: skip


def explain(error: ValidationError, data: Any) -> SpecError:
    """One SpecError that names everything wrong with `data`; places are paths in the user's own data."""
    found: dict[Path, list[Any]] = {}
    for item in error.errors(include_url=False):
        found.setdefault(user_path(item, data), []).append(item)
    deepest = [path for path in found if not any(other[: len(path)] == path != other for other in found)]
    return error_of([problem for path in deepest for problem in _problems(path, found[path], data)])


def user_path(item: Mapping[str, Any], data: Any) -> Path:
    """The error's place as the user wrote it: names of union members, which they never see, left out."""
    path, loc = list[str | int](), item["loc"]
    for number, part in enumerate(loc):
        if _holds(data, part):
            path, data = [*path, part], data[part]
        elif number == len(loc) - 1 and item["type"] == "missing":
            path = [*path, part]
    if item["type"] == "union_tag_invalid":
        path.append("kind")
    return tuple(path)


def _holds(data: Any, part: str | int) -> bool:
    if isinstance(data, Mapping):
        return part in data
    return isinstance(data, (list, tuple)) and isinstance(part, int) and part < len(data)


def _problems(path: Path, items: list[Any], data: Any) -> list[Problem]:
    raised = items[0].get("ctx", {}).get("error")
    if isinstance(raised, Violations):
        return list(raised.problems)
    where = _where(path, data)
    if isinstance(raised, ValueError):
        what, _, fix = str(raised).partition(". ")
        return [Problem(where, f"{what.rstrip('.')}.", fix)]
    for item in items:
        if told := _special(item, path):
            return [Problem(where, *told)]
    return [Problem(where, *_expectation(items))]


def _where(path: Path, data: Any) -> str:
    if len(path) < 2 or path[0] != "stages" or not isinstance(path[1], int):
        return ".".join(map(str, path)) or "the cascade"
    stage = data["stages"][path[1]]
    return place(path[1], stage.get("name") if isinstance(stage, Mapping) else None, *path[2:])


def _special(item: Mapping[str, Any], path: Path) -> tuple[str, str] | None:
    kind, ctx, key = item["type"], item.get("ctx", {}), str(item["loc"][-1]) if item["loc"] else ""
    if kind == "missing":
        return "is missing.", f"Add `{key}: ...`."
    if kind == "extra_forbidden":
        return f"the key {key!r} is unknown.", _unknown_key(item["loc"][:-1], key)
    if path and path[-1] == "from" and item["input"] is None:
        return "expects a name, but got nothing.", "Name a stage, several as [a, b], or `input.<name>`."
    if kind == "union_tag_invalid":
        known = [tag.strip("' ") for tag in ctx["expected_tags"].split(",")]
        return f"the kind {ctx['tag']!r} is unknown.", f"{did_you_mean(ctx['tag'], known)}Known kinds: {listed(known)}."
    if kind == "union_tag_not_found":
        return _no_kind(item["input"], kinds_at(item["loc"]))
    if kind == "string_pattern_mismatch":
        what, fix = _PATTERNS.get(ctx["pattern"], (f"does not match {ctx['pattern']}.", "Write it so."))
        return f"{_shown(item['input'])} {what}", fix
    if kind in ("too_short", "too_long"):
        bound = f"at least {ctx['min_length']}" if kind == "too_short" else f"at most {ctx['max_length']}"
        return f"expects {bound} entries, but got {_shown(item['input'])}.", "Add or remove some."
    return None


def _unknown_key(loc: Sequence[str | int], key: str) -> str:
    """The way out for a key that a place does not know: a close one, another kind, or the edge it belongs to."""
    here, known = models_at(loc), known_keys(loc)
    beside = [model for model in models_at(loc[:-1]) if key in keys_of(model)] if loc else []
    if key in keys_of(EdgeSpec) and any(issubclass(model, BaseStage) for model in here):
        return f"It belongs to an edge: write `inputs: {{low: {{from: ..., {key}: ...}}}}`."
    elsewhere = f"Kinds with this key: {listed(map(kind_of, beside))}. " if beside and kind_of(beside[0]) else ""
    return f"{elsewhere or did_you_mean(key, known)}Known keys: {listed(known)}."


def _no_kind(value: Any, known: Sequence[str]) -> tuple[str, str]:
    if isinstance(value, Mapping):
        return "says no `kind`.", f"Add one. Known kinds: {listed(known)}."
    example = value if value in known else "..."
    return f"expects a mapping, but got {_shown(value)}.", f"Write {{kind: {example}}}. Known kinds: {listed(known)}."


def _expectation(items: list[Any]) -> tuple[str, str]:
    """What any of the alternatives would have taken, and a way out."""
    told = [_expects(item) for item in items]
    wanted = " or ".join(dict.fromkeys(expected for expected, _ in told))
    value = items[0]["input"]
    known = [word.strip("' ") for item in items for word in item.get("ctx", {}).get("expected", "").split(" or ")]
    close = did_you_mean(value, ", ".join(known).replace("'", "").split(", ")) if isinstance(value, str) else ""
    return f"expects {wanted}, but got {_shown(value)}.", close + told[0][1]


def _expects(item: Mapping[str, Any]) -> tuple[str, str]:
    kind, ctx = item["type"], item.get("ctx", {})
    if kind == "literal_error" and " or " not in ctx["expected"]:
        return ctx["expected"], f"Write {ctx['expected']}."
    if kind == "literal_error":
        return f"one of {ctx['expected']}".replace(" or ", ", "), "Choose one of them."
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return f"{words} {ctx[key]:g}", f"Give {words} {ctx[key]:g}."
    if kind == "invalid_key":
        return "keys that are texts", "Put the key in quotes."
    if kind == "int_from_float":
        return "a whole number", "Leave out the fraction."
    return _EXPECTED.get(kind.partition("_")[0], (f"something else ({item['msg']})", "See docs/cascade-file.md."))


def _shown(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
