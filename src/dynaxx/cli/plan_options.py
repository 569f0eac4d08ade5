"""Which options of `dynaxx plan` go together: each question that it answers takes some, and refuses the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

from dynaxx.errors import UsageError

TARGET = ("--latency", "--memory", "--train-hours", "--train-cost", "--quality", "--devices")
RUN = ("--samples", "--batch", "--placement", "--memory-cap", "--devices", "--set", "--page")
TAKES: Mapping[str, tuple[str, ...]] = {
    "--prices": (),
    "--pretrained": ("--device",),
    "--target": ("--calibrate", "--device", "--out", "--page", *TARGET),
    "--insert": ("FILE", "--calibrate", "--device", "--out", "--size"),
    "FILE": ("--calibrate", "--device", "--size", *RUN),
    "--calibrate": ("--device",),
}
"""By what asks the question, the first that is there; `--json` goes with all."""


def check_together(context: typer.Context) -> None:
    """See that every option on the command line belongs to what is asked.

    Raises:
        UsageError: naming the two that do not go together.
    """
    given = [_name(key) for key in context.params if _is_given(context, key)]
    asked = next((question for question in TAKES if question in given), None)
    for option in given:
        if asked is None or option in (asked, "--json", *TAKES[asked]):
            continue
        others = [question for question, takes in TAKES.items() if option in takes]
        if asked in ("FILE", "--calibrate") and others:
            fix = f"Give {' or '.join(others)} too, or leave out {option}."
        else:
            fix = f"Leave out {option}, or {asked}."
        raise UsageError(asked, f"does not go with {option}.", fix)


def _is_given(context: typer.Context, key: str) -> bool:
    source: Any = context.get_parameter_source(key)
    return source is not None and source.name == "COMMANDLINE"


def _name(key: str) -> str:
    """The option of a parameter."""
    named = {"file": "FILE", "as_json": "--json"}
    return named.get(key) or f"--{key.replace('_', '-')}"
