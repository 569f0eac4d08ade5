"""YAML as we read it: plain data only, no key twice, and `1e-4` is a number."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

from dynaxx.errors import SpecError

MAX_CHARS, MAX_DEPTH, MAX_VALUES = 1_000_000, 40, 100_000
"""What no cascade needs; the loader would crash on text nested without end."""
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_KINDS = ("null", "bool", "int", "float", "str", "seq", "map")
_EXPONENT = re.compile(r"^[-+]?(\d[\d_]*\.?\d*|\.\d+)([eE][-+]?\d+)$")


class _Loader(_Base):
    """A safe loader for JSON-like data: dates stay text, other tags are refused."""

    yaml_constructors = {
        tag: build for tag, build in _Base.yaml_constructors.items() if tag is None or tag.rsplit(":", 1)[-1] in _KINDS
    }
    yaml_implicit_resolvers = {
        first: [(tag, match) for tag, match in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in _Base.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """A mapping whose own keys are all different (those merged in by `<<` may be overridden)."""
        seen: set[Any] = set()
        for key, _ in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if name is not None and name in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {name!r} appears twice", problem_mark=key.start_mark)
            seen.add(name)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return mapping


def read_exponents(side: Any) -> None:
    """Let a YAML loader or dumper know that `1e-4` is a number, which YAML 1.1 takes for text."""
    side.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+.0123456789"))


read_exponents(_Loader)
_UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, RecursionError, MemoryError)


def read(text: str, source: str) -> dict[str, Any]:
    """The mapping that a YAML text holds.

    Raises:
        SpecError: where the text is no YAML, or no mapping; names the line.
    """
    data = value_of(text, source)
    if not isinstance(data, dict):
        kind = "empty" if data is None else f"a {type(data).__name__}"
        raise SpecError(source, f"expects a mapping, but the document is {kind}.", "Begin with `version: 1`.")
    return data


def value_of(text: str, source: str) -> Any:
    """The value that a YAML text holds: a scalar, a list or a mapping.

    Raises:
        SpecError: where the text is no YAML.
    """
    if len(text) > MAX_CHARS:
        raise SpecError(source, f"has {len(text):,} characters, which no cascade needs.", "Give a cascade file.")
    try:
        _check_depth(text, source)
        data = yaml.load(text, Loader=_Loader)
    except SpecError:
        raise
    except yaml.YAMLError as error:
        raise _syntax(error, source) from None
    except _UNREADABLE as error:
        fix = "Write plain values, lists and mappings."
        raise SpecError(source, f"cannot be read as YAML ({error}).", fix) from None
    _check_volume(data, source)
    return data


def _check_depth(text: str, source: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            mark = event.start_mark
            where = f"{source}, line {mark.line + 1}" if mark else source
            raise SpecError(where, f"nests deeper than {MAX_DEPTH} levels.", "Flatten it.")


def _check_volume(data: Any, source: str) -> None:
    """Aliases cost a line and stand for anything, even for what holds them: count what they come to."""
    waiting, count = [data], 0
    while waiting and count <= MAX_VALUES:
        value, count = waiting.pop(), count + 1
        if isinstance(value, (dict, list)):
            waiting += value.values() if isinstance(value, dict) else value
    if waiting:
        fix = "Remove aliases that hold themselves or multiply."
        raise SpecError(source, f"comes to more than {MAX_VALUES:,} values with its aliases written out.", fix)


def _syntax(error: yaml.YAMLError, source: str) -> SpecError:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    if problem.startswith("but "):  # the loader's sentence begins in its context
        problem = f"{getattr(error, 'context', '')}, {problem}"
    where = f"{source}, line {mark.line + 1}, column {mark.column + 1}" if mark else source
    fix = "Keep one of them." if "appears twice" in problem else "Check indentation, brackets and quotes there."
    return SpecError(where, f"is not valid YAML: {problem}.", fix)
