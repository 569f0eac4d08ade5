"""The page on data says what is so: its examples run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter

from dynaxx.spec.data import DataSpec

PAGE = Path(__file__).parents[2] / "docs/data.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


@pytest.mark.parametrize("code", blocks("python"))
def test_examples_run(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(code, str(PAGE), "exec"), {})
    assert "red apple (3, 32, 32)" in capsys.readouterr().out


@pytest.mark.parametrize("text", blocks("yaml"))
def test_recipes_are_valid(text: str) -> None:
    assert TypeAdapter(DataSpec).validate_python(yaml.safe_load(text)).kind == "folder"
