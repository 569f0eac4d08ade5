"""docs/cascade-file.md names every key there is, and its examples are cascades of the shapes it says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dynaxx.spec import json_schema, loads, nodes

TEXT = (Path(__file__).parents[2] / "docs" / "cascade-file.md").read_text(encoding="utf-8")


def test_examples_unroll_as_told() -> None:
    found = [[node.name for node in nodes(loads(text))] for text in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)]
    assert found == [
        ["base", "bridge", "refine"],
        ["shape", "texture", "join"],
        ["base", "up@1", "up@2", "up@3"],
        ["base", "fill"],
        ["base", "bridge", "refine"],
    ]


def keys(schema: Any) -> Iterator[str]:
    """All keys that any part of a cascade file may have, and all words that they may hold."""
    for part in [schema, *schema["$defs"].values()]:
        for key, field in part.get("properties", {}).items():
            yield key
            yield from (str(word) for word in field.get("enum", []))
            yield str(field.get("const", key))


def test_every_key_and_choice_is_told() -> None:
    assert sorted({key for key in keys(json_schema()) if not re.search(rf"\b{re.escape(key)}\b", TEXT)}) == []
