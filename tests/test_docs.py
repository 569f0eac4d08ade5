"""What the documents show, runs: yaml blocks load, python blocks execute, `dynaxx` lines run through the real CLI."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

import dynaxx
from dynaxx.cli import run
from tools.tree import ROOT

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
RUN_ELSEWHERE = {"data.md"}  # by tests/data/test_data_page.py, which lays out the files that its examples read
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"^# (\S+\.ya?ml)\b")
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, its text, and the line it starts on."""

    language: str
    text: str
    line: int


def blocks(document: Path) -> list[Block]:
    text = document.read_text(encoding="utf-8")
    return [Block(m[1], m[2], text.count("\n", 0, m.start()) + 1) for m in BLOCK.finditer(text)]


def try_yaml(block: Block) -> None:
    """Load the cascade; a first line `# name.yaml` also leaves it in the folder for the lines after."""
    dynaxx.loads(block.text, f"line {block.line}")
    if named := NAMED.match(block.text):
        Path(named[1]).write_text(block.text, encoding="utf-8")


def try_commands(block: Block) -> None:
    """Run the lines that start with `dynaxx`; other commands set up the machine and are not ours to try."""
    lines = block.text.replace("\\\n", " ").splitlines()
    for line in (line for line in lines if line.startswith("dynaxx ")):
        assert run(shlex.split(line, comments=True)[1:]) == 0, f"line {block.line}: {line}"


@pytest.mark.parametrize("document", [d for d in DOCUMENTS if d.name not in RUN_ELSEWHERE], ids=lambda path: path.name)
def test_blocks_run(document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(document):
        if block.language == "yaml":
            try_yaml(block)
        elif block.language == "bash":
            try_commands(block)
        elif block.language == "python":
            exec(compile("\n" * block.line + block.text, document.name, "exec"), names)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    targets = LINK.findall(document.read_text(encoding="utf-8"))
    assert [target for target in targets if not (document.parent / target).exists()] == []


def test_readme_shows_all_three() -> None:
    shown = {block.language for block in blocks(ROOT / "README.md")}
    assert {"yaml", "python", "bash"} <= shown
