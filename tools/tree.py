"""Write the README's tree of `src/dynaxx` from what is on disk: a line per folder and file, from their docstrings."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "dynaxx"
README = ROOT / "README.md"
BEGIN, END = "<!-- tree: written by tools/tree.py -->\n```text\n", "```\n<!-- /tree -->"
COLUMN = 26
DATA = {"bundled": "Cascades and pictures that travel with the package", "templates": "Page templates"}


def first_line(module: Path) -> str:
    """The first line of a module's docstring, without its full stop; empty where there is none."""
    text = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0].rstrip(".")


def lines(folder: Path = PACKAGE, depth: int = 0) -> list[str]:
    """A line per file and folder of the package, files first."""
    found = []
    children = sorted(folder.iterdir(), key=lambda path: (path.is_dir(), path.name))
    for path in (child for child in children if child.name not in ("__pycache__", "__init__.py")):
        if path.is_dir() and any(child.is_file() for child in path.rglob("*")):
            init = path / "__init__.py"
            found.append(_line(path.name + "/", first_line(init) if init.exists() else DATA.get(path.name, ""), depth))
            found += lines(path, depth + 1) if init.exists() else []
        elif path.suffix == ".py":
            found.append(_line(path.name, first_line(path), depth))
    return found


def _line(name: str, says: str, depth: int) -> str:
    return f"{'  ' * depth + name:<{COLUMN}}  {says}".rstrip()


def rewritten(text: str) -> str:
    """The README with its tree brought up to date."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise SystemExit("README.md has lost the marks of its tree.")
    return head + BEGIN + "\n".join(lines()) + "\n" + END + tail


def main() -> int:
    """Rewrite the README's tree."""
    before = README.read_text(encoding="utf-8")
    after = rewritten(before)
    README.write_text(after, encoding="utf-8")
    print("README.md: the tree is " + ("unchanged" if before == after else "rewritten"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
