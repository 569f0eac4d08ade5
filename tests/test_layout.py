"""The shape of the code: a true tree, short files, short functions, plain names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

from dynaxx.signal.device import MAKES
from tools.tree import PACKAGE, README, ROOT, first_line, rewritten

FILE_LINES, LONG_FILE_LINES, LONG_FILES_SHARE = 400, 250, 0.1
FUNCTION_LINES, MEDIAN_FUNCTION_LINES = 60, 12
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "misc", "common", "tools"}
OPEN_KWARGS = {
    "plan/echo.py:heard",
    "stage/levers/attention.py:answer",
    "stage/levers/compiled.py:answer",
    "stage/levers/convolution.py:answer",
    "stage/levers/precision.py:answer",
    "stage/pipeline/guided.py:answer",
    "stage/pipeline/walk.py:set_timesteps",
    "stage/pipeline/drawn.py:drawing",
    "stage/pipeline/walk.py:step",
}
"""Where `**kwargs` may stand: `room/file.py:function`; adapters to foreign call signatures only."""

MODULES = sorted(PACKAGE.rglob("*.py"))
CODE = sorted([*MODULES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")])
Function = ast.FunctionDef | ast.AsyncFunctionDef


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE if path.is_relative_to(PACKAGE) else ROOT).as_posix()


def functions(path: Path) -> list[Function]:
    return [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, Function)]


def length(function: Function) -> int:
    """Lines from `def` to the end, the docstring free."""
    first = function.body[0]
    documented = ast.get_docstring(function) is not None and first.end_lineno is not None
    free = first.end_lineno - first.lineno + 1 if documented else 0
    assert function.end_lineno is not None
    return function.end_lineno - function.lineno + 1 - free


def test_readme_tree_is_what_is_on_disk() -> None:
    text = README.read_text(encoding="utf-8")
    assert text == rewritten(text), "README.md is behind the disk; run `make tree`"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_module_says_what_it_is(path: Path) -> None:
    said = first_line(path)
    assert said, "give the module a one-line docstring"
    assert len(said) <= 120


@pytest.mark.parametrize("folder", sorted({path.parent for path in MODULES}), ids=name_of)
def test_folder_is_a_package(folder: Path) -> None:
    assert (folder / "__init__.py").exists()


def test_no_file_is_too_long() -> None:
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in CODE}
    assert {name: n for name, n in lengths.items() if n > FILE_LINES} == {}
    long = {name: n for name, n in lengths.items() if n > LONG_FILE_LINES}
    assert len(long) <= LONG_FILES_SHARE * len(lengths), long


def test_no_function_is_too_long() -> None:
    lengths = {f"{name_of(path)}:{f.name}": length(f) for path in MODULES for f in functions(path)}
    assert {name: n for name, n in lengths.items() if n > FUNCTION_LINES} == {}
    assert median(lengths.values()) < MEDIAN_FUNCTION_LINES


def test_names_are_plain() -> None:
    assert [name_of(path) for path in MODULES if path.stem in VAGUE_NAMES or path.parent.name in VAGUE_NAMES] == []


def test_no_two_test_files_share_a_name() -> None:
    """Pytest imports them by name alone, and refuses the second."""
    names = [path.name for path in (ROOT / "tests").rglob("*.py") if path.name != "conftest.py"]
    assert sorted(set(names)) == sorted(names)


def test_every_parameter_is_said() -> None:
    found = {f"{name_of(path)}:{f.name}" for path in MODULES for f in functions(path) if f.args.kwarg}
    assert found == OPEN_KWARGS


def test_no_maker_of_devices_is_relied_on() -> None:
    """What a device can do is asked of `signal/device.py`, which asks the device: `torch.cuda` is one maker's."""
    found = [f"{name_of(path)}:{line}" for path in MODULES for line in relied_on(path)]
    assert found == []


def relied_on(path: Path) -> Iterator[int]:
    """Lines that read a maker's module (`torch.cuda`), import from it, or compare a device's type with its name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Attribute(value=ast.Name(id="torch"), attr=name) if name in MAKES:
                yield node.lineno
            case ast.ImportFrom(module=str(module)) if module.startswith(tuple(f"torch.{make}" for make in MAKES)):
                yield node.lineno
            case ast.Compare(left=ast.Attribute(attr="type"), comparators=[*others]):
                named = {word.value for other in others for word in ast.walk(other) if isinstance(word, ast.Constant)}
                if named & set(MAKES):
                    yield node.lineno


def test_rooms_of_the_contract_are_those_on_disk() -> None:
    import tomllib

    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract = settings["tool"]["importlinter"]["contracts"][0]
    listed = {room.strip("() ") for layer in contract["layers"] for room in layer.split("|")}
    rooms = {path.stem if path.suffix else path.name for path in PACKAGE.iterdir() if is_room(path)}
    assert rooms <= listed
    optional = {room.strip("() ") for layer in contract["layers"] for room in layer.split("|") if "(" in room}
    assert listed - optional <= rooms


def is_room(path: Path) -> bool:
    return (path / "__init__.py").exists() or (path.suffix == ".py" and path.name not in ("__init__.py", "__main__.py"))
