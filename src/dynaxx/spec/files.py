"""Cascade files: read, checked and written back; YAML -> spec -> YAML is stable."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from dynaxx.errors import SpecError
from dynaxx.spec.bundled import resolve
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.explain import explain
from dynaxx.spec.plain import plain
from dynaxx.spec.reader import read, read_exponents
from dynaxx.spec.stage import SHORT

LINE = 100


def load(path: str | Path) -> CascadeSpec:
    """The cascade in a YAML file, in a folder that holds `cascade.yaml`, or bundled under a name.

    Raises:
        SpecError: where the file is missing, no text, or says something that cannot be meant.
    """
    path = resolve(path)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        fix = "Save it as UTF-8 text."
        raise SpecError(str(path), f"is not UTF-8 text (byte {error.start}).", fix) from None
    except OSError as error:
        raise SpecError(str(path), f"cannot be read ({error}).", "Check the path and its permissions.") from None
    return loads(text, str(path))


def loads(text: str, source: str = "<text>") -> CascadeSpec:
    """The cascade that a YAML text describes; `source` names the text in errors about YAML itself.

    Raises:
        SpecError: with a line per problem, each naming the field, the value and the way out.
    """
    return parse(read(text, source))


def parse(data: Mapping[str, Any]) -> CascadeSpec:
    """The cascade that plain data describes.

    Raises:
        SpecError: as `loads`.
    """
    try:
        return _checked(data)
    except RecursionError:
        raise SpecError("the cascade", "is nested too deep to be read.", "Flatten it.") from None


def _checked(data: Mapping[str, Any]) -> CascadeSpec:
    try:
        return CascadeSpec.model_validate(data)
    except ValidationError as error:
        raise explain(error, data) from None


def dump(spec: CascadeSpec) -> str:
    """The cascade as YAML: fields in the order of the docs, defaults left out, short things on one line."""
    data = plain(spec)
    stages = map(_from_first, data["stages"])
    data["stages"] = [{key: _short(value) for key, value in stage.items()} for stage in stages]
    laid = {key: value if key == "stages" else _short(value) for key, value in data.items()}
    return yaml.dump(laid, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10 * LINE)


class _OneLine(dict[str, Any]):
    """A mapping written as `{a: 1, b: 2}`."""


class _Dumper(yaml.SafeDumper):
    """Lists and short mappings on one line; nothing by reference."""

    def ignore_aliases(self, data: Any) -> bool:
        """True: what is said twice is written twice."""
        return True


def _map(dumper: yaml.SafeDumper, data: _OneLine) -> yaml.Node:
    return dumper.represent_mapping("tag:yaml.org,2002:map", data.items(), flow_style=True)


def _list(dumper: yaml.SafeDumper, data: list[Any]) -> yaml.Node:
    flow = not any(isinstance(item, dict) and not isinstance(item, _OneLine) for item in data)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=flow)


def _text(dumper: yaml.SafeDumper, data: str) -> yaml.Node:
    """Quoted where it holds line breaks (YAML has five) or what cannot be seen, so that they come back."""
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=None if data.isprintable() else '"')


_Dumper.add_representer(str, _text)
_Dumper.add_representer(_OneLine, _map)
_Dumper.add_representer(list, _list)
read_exponents(_Dumper)


def _short(value: Any) -> Any:
    if isinstance(value, list):
        return [_short(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(str(value)) <= LINE:
        return _OneLine(value)
    return {key: _short(item) for key, item in value.items()}


def _from_first(stage: dict[str, Any]) -> dict[str, Any]:
    """The stage with `from: base` in place of `inputs: {low: {from: base}}` where nothing else is said."""
    inputs = stage.get("inputs", {})
    if next(iter(inputs), None) != "low" or not set(inputs["low"]) <= set(SHORT):
        return stage
    rest = {name: edge for name, edge in inputs.items() if name != "low"}
    head = {key: stage[key] for key in ("name", "role", "kind")}
    head |= inputs["low"] | ({"inputs": rest} if rest else {})
    return head | {key: value for key, value in stage.items() if key not in (*head, "inputs")}
