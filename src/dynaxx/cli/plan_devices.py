"""`--devices` of `dynaxx plan`: what stages of a run are spread over, or how many devices train a proposal together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dynaxx.cli.options import DIGITS, parse_devices
from dynaxx.errors import UsageError

MOST = 64


def how_many(values: Sequence[str] | None) -> int:
    """A number of devices; 1 where none is said.

    Raises:
        UsageError: if it is none, or too large.
    """
    if not values:
        return 1
    if len(values) > 1 or not DIGITS.fullmatch(values[0]) or int(values[0]) > MOST:
        fix = f"Give how many train together, from 1 to {MOST}."
        raise UsageError("--devices", f"cannot be {' '.join(values)!r} with --target.", fix)
    return int(values[0])


def over_devices(
    values: Sequence[str] | None, kind: str
) -> tuple[tuple[str, ...] | Mapping[str, tuple[str, ...]] | None, str]:
    """What stages are spread over, and what a device is: the type of the first that is no CPU, where `kind` is none.

    One device in a list is that device alone.

    Raises:
        UsageError: if there are not two GPUs for `auto`, the values cannot be read, or they are of several kinds.
    """
    read = parse_devices(values or ())
    if read is None:
        return None, kind
    found = _gpus() if read == "auto" else read
    several = found.values() if isinstance(found, Mapping) else [found]
    types = {device.split(":")[0] for some in several for device in some}
    if strange := types - {"cpu", "cuda"}:
        raise UsageError("--devices", f"{min(strange)!r} is no device.", "Name cpu:0, cpu:1, cuda:0, ...")
    if len(types) > 1 or (types == {"cpu"} and kind != "cpu"):
        problem = f"names {', '.join(sorted(types))} for a plan on {kind}, and one clock tells the time of one kind."
        raise UsageError("--devices", problem, "Name devices of one kind, and that kind as --device.")
    kind = types.pop() if kind == "cpu" else kind
    return (None if isinstance(found, tuple) and len(found) == 1 else found), kind


def _gpus() -> tuple[str, ...]:
    """All of this machine's."""
    from dynaxx.engine.runtime import Runtime

    found = Runtime(spread="auto").devices
    if len(found) < 2:
        problem = f"auto takes all GPUs, and there {'is one' if found else 'are none'} here."
        raise UsageError("--devices", problem, "Name them: cuda:0,cuda:1.")
    return found
