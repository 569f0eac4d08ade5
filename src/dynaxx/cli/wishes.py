"""A file of prompts: a line each, or JSON lines with `prompt` and `label`."""

from __future__ import annotations

import json
from pathlib import Path

from dynaxx.errors import DataError

FIX = 'Give lines such as {"prompt": "red apple"} or {"label": 3}.'


def read_wishes(file: Path) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The prompts and the labels of a file, each as long as the file or empty; blank lines are left out.

    Raises:
        DataError: naming the line that cannot be used.
    """
    try:
        lines = file.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise DataError(str(file), f"cannot be read ({reason.lower()}).", "Name a text file.") from error
    numbered = [(number, line.strip()) for number, line in enumerate(lines, start=1) if line.strip()]
    if not numbered:
        raise DataError(str(file), "holds no prompts.", "Write one a line.")
    if file.suffix != ".jsonl":
        return tuple(line for _, line in numbered), ()
    wishes = [_wish(f"{file}, line {number}", line) for number, line in numbered]
    for (number, _), wish in zip(numbered, wishes, strict=True):
        if wish.keys() != wishes[0].keys():
            problem = f"has {' and '.join(sorted(wish))}, the first {' and '.join(sorted(wishes[0]))}."
            raise DataError(f"{file}, line {number}", problem, "Give all lines the same keys.")
    prompts = tuple(str(wish["prompt"]) for wish in wishes if "prompt" in wish)
    return prompts, tuple(int(wish["label"]) for wish in wishes if "label" in wish)


def _wish(where: str, line: str) -> dict[str, str | int]:
    try:
        said = json.loads(line)
    except ValueError as error:
        raise DataError(where, f"is no JSON ({error}).", FIX) from error
    if not isinstance(said, dict) or not said or said.keys() - {"prompt", "label"}:
        raise DataError(where, f"cannot be {line[:60]!r}.", FIX)
    if not isinstance(said.get("prompt", ""), str):
        raise DataError(where, f"has a prompt that is no text ({said['prompt']!r}).", FIX)
    label = said.get("label", 0)
    if not isinstance(label, int) or isinstance(label, bool) or label < 0:
        raise DataError(where, f"has a label that is no class number ({label!r}).", FIX)
    return said
