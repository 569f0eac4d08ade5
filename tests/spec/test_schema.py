"""The exported JSON schema takes what we take, short forms and all, and refuses what editors should mark."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import spec_examples as examples
import yaml
from hypothesis import given, settings
from spec_strategies import cascades

from dynaxx.spec import dump, json_schema, parse
from dynaxx.spec.bundled import bundled
from dynaxx.spec.reader import read

ROOT = Path(__file__).parents[2]
FENCED = [
    (file.name, text)
    for file in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    for text in re.findall(r"^```yaml\n(.*?)^```$", file.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    if "stages:" in text
]
SHOWN = [*FENCED, *((file.name, file.read_text(encoding="utf-8")) for file in bundled().values())]
SCHEMA = jsonschema.Draft202012Validator(json_schema())


def faults(data: Any) -> list[str]:
    """What the schema has against some data."""
    return [error.message for error in SCHEMA.iter_errors(json.loads(json.dumps(data)))]


def test_the_exported_schema_is_current_and_a_schema() -> None:
    written = json.loads((ROOT / "docs" / "cascade.schema.json").read_text(encoding="utf-8"))
    assert written == json_schema(), "run: dynaxx check --schema > docs/cascade.schema.json"
    jsonschema.Draft202012Validator.check_schema(written)


@pytest.mark.parametrize(("file", "text"), SHOWN)
def test_takes_every_cascade_that_is_shown(file: str, text: str) -> None:
    assert faults(read(text, file)) == []


def test_many_are_shown() -> None:
    assert len(SHOWN) >= 6


@settings(max_examples=40, deadline=None)
@given(cascades())
def test_takes_what_we_take_and_write(data: dict[str, Any]) -> None:
    assert faults(data) == []
    assert faults(yaml.safe_load(dump(parse(data)))) == []


GOOD = [
    ("stages.2.inputs", None),
    ("condition", None),
    ("stages.0.network", {"width": 32}),
    ("stages.0.process", {"logsnr_max": 9}),
    ("stages.1.inputs", {"low": "base"}),
]


@pytest.mark.parametrize(("path", "value"), GOOD)
def test_takes_short_forms(path: str, value: Any) -> None:
    data = examples.changed(examples.linear(), path, value)
    parse(data)
    assert faults(data) == []


BAD = [
    ("stagez", 1),
    ("name", "Base One"),
    ("stages.0.solver.stepz", 1),
    ("stages.0.solver.steps", 0),
    ("stages.0.solver.clip", "statik"),
    ("stages.0.process", {"kind": "cosin"}),
    ("stages.0.process", {"start": 0.1}),
    ("stages.0.network", {"model": "x"}),
    ("stages.0.kind", "gausian"),
    ("stages.0.load", "x"),
    ("stages.0.role", "bass"),
    ("stages.1.inputs", {"Low": {"from": "base"}}),
    ("stages.1.inputs", {"low": {"form": "base"}}),
    ("stages.2.from", None),
    ("data", {"path": "x"}),
    ("stages", []),
    ("version", 2),
]


@pytest.mark.parametrize(("path", "value"), BAD)
def test_refuses(path: str, value: Any) -> None:
    assert faults(examples.changed(examples.linear(), path, value))
