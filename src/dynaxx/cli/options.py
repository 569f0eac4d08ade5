"""How the values of options are read: sizes, settings, named files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from dynaxx.errors import UsageError
from dynaxx.signal.memory_size import bytes_of

DIGITS = re.compile(r"0*[1-9][0-9]{0,11}")
"""One size: positive, and not so long that it is no number any more."""
RUN = "A cascade file or folder, or a bundled one: emoji-64, emoji-exact, emoji-single-64."
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, all else on stderr.")]
Download = Annotated[bool, typer.Option("--download", help="Fetch pretrained parts that are not on this machine.")]
On = Annotated[
    str | None, typer.Option(metavar="NAME", help="cpu, cuda, xpu, mps, ...; an accelerator where there is one.")
]

Devices = Literal["auto"] | tuple[str, ...] | dict[str, tuple[str, ...]] | None
"""What stages are spread over: all GPUs, those of a list, or those of each stage."""


def parse_size(text: str | None, *, option: str = "--size") -> tuple[int, ...] | None:
    """`16x24` as (16, 24): one to three positive sizes, in the order of the axes.

    Raises:
        UsageError: where the text is nothing of the kind.
    """
    if text is None:
        return None
    parts = text.lower().split("x")
    if not 1 <= len(parts) <= 3 or not all(DIGITS.fullmatch(part) for part in parts):
        raise UsageError(option, f"cannot be {text!r}.", "Give sizes joined by x, such as 16x16.")
    return tuple(int(part) for part in parts)


def parse_settings(pairs: Sequence[str]) -> dict[str, str]:
    """`["bridge.solver.steps=10"]` as {"bridge.solver.steps": "10"}; the spec reads the values.

    Raises:
        UsageError: where a pair has no `=`.
    """
    settings = {}
    for pair in pairs:
        path, found, value = pair.partition("=")
        if not path or not found:
            raise UsageError("--set", f"cannot be {pair!r}.", "Give path=value, such as bridge.solver.steps=10.")
        settings[path] = value
    return settings


def parse_inputs(values: Sequence[str]) -> tuple[Path | None, dict[str, Path]]:
    """`--input low.png` as the file for `--from-stage`; `--input image=photo.png` as the user's input `image`.

    Raises:
        UsageError: where several files have no name, or the same one.
    """
    from dynaxx.spec.base import NAME_PATTERN

    named: dict[str, Path] = {}
    unnamed = []
    for value in values:
        name, found, path = value.partition("=")
        if found and re.fullmatch(NAME_PATTERN, name):
            if name in named:
                raise UsageError(f"--input {name}", f"is given twice ({named[name]}, {path}).", "Give it once.")
            named[name] = Path(path)
        else:
            unnamed.append(Path(value))
    if len(unnamed) > 1:
        raise UsageError("--input", f"{len(unnamed)} files have no name.", "Give name=FILE for all but one.")
    return (unnamed[0] if unnamed else None), named


def parse_batch(text: str | None) -> tuple[int | None, bool]:
    """A number of samples, and whether the best one is looked for: `auto` says no number.

    Raises:
        UsageError: where the text is neither.
    """
    if text is None or text == "auto":
        return None, text is not None
    if not DIGITS.fullmatch(text):
        raise UsageError("--batch", f"cannot be {text!r}.", "Give a number of samples, or auto.")
    return int(text), False


def parse_bytes(text: str | None) -> int | None:
    """A size of memory such as `8GiB`, `500MB` or `1000000B` in bytes; None where none is said.

    Raises:
        UsageError: if it is none, or has no unit.
    """
    return None if text is None else bytes_of(text, place="--memory-cap")


def parse_devices(values: Sequence[str]) -> Devices:
    """`auto`, or `cuda:0,cuda:1` as those devices; `base=cuda:0` and `up=cuda:1,cuda:2` as those of each stage.

    Raises:
        UsageError: where the values are of both kinds, or a name or a device is missing.
    """
    pairs = [value.rpartition("=") for value in values]
    several = [(name, tuple(map(str.strip, devices.split(",")))) for name, _, devices in pairs]
    names = [name for name, found, _ in pairs if found]
    mixed = names and (len(names) < len(pairs) or len(set(names)) < len(names) or not all(names))
    if mixed or not all(device for _, devices in several for device in devices):
        fix = "Give auto, or cuda:0,cuda:1, or the devices of each stage once: base=cuda:0."
        raise UsageError("--devices", f"cannot be {' '.join(values)!r}.", fix)
    if names:
        return dict(several)
    listed = tuple(device for _, devices in several for device in devices)
    return "auto" if listed == ("auto",) else listed or None


def check_one_device(device: str | None, devices: Sequence[str]) -> None:
    """See that a run is given one device or several, and not both.

    Raises:
        UsageError: where it is.
    """
    if device is not None and devices:
        raise UsageError("--device", "does not go with --devices.", "Leave out one of them.")
