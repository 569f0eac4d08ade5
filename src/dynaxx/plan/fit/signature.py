"""The arguments of a diffusers pipeline's call, read from its source: importing it would take seconds."""

from __future__ import annotations

import ast
from functools import cache
from importlib.util import find_spec
from pathlib import Path


@cache
def call_arguments(pipeline: str) -> tuple[str, ...] | None:
    """The arguments that a class of pipelines is called with; None where the installed diffusers has no one such class.

    A class without a call of its own has that of the first class it is made from which has one.
    """
    found = _class(pipeline)
    if found is None:
        return None
    for part in found.body:
        if isinstance(part, ast.FunctionDef) and part.name == "__call__":
            arguments = part.args
            names = [one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
            return tuple(names[1:])  # without self
    bases = (call_arguments(base.id) for base in found.bases if isinstance(base, ast.Name))
    return next((names for names in bases if names is not None), None)


def _class(pipeline: str) -> ast.ClassDef | None:
    """The definition of a class, where exactly one file has it."""
    package, head = find_spec("diffusers"), f"class {pipeline}(".encode()
    folders = package.submodule_search_locations or [] if package and pipeline.isidentifier() else []
    files = [file for folder in folders for file in Path(folder, "pipelines").rglob("*.py")]
    texts = [text for file in files if head in (text := file.read_bytes())]
    if len(texts) != 1:
        return None
    classes = (part for part in ast.parse(texts[0]).body if isinstance(part, ast.ClassDef))
    return next((part for part in classes if part.name == pipeline), None)
