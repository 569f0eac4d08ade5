"""`--devices` of `dynaxx plan`: what stages of a run are spread over, or how many devices train a proposal together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dynaxx.cli.options import DIGITS, parse_devices
from dynaxx.errors import UsageError

MOST = 64
CPU = "cpu"


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
    values: Sequence[str] | None, said: str | None
) -> tuple[tuple[str, ...] | Mapping[str, tuple[str, ...]] | None, str]:
    """What stages are spread over, and what a device is: what was `said`, else their own kind, else a CPU.

    One device in a list is that device alone.

    Raises:
        UsageError: if there are not two GPUs for `auto`, the values cannot be read, or they are of several kinds.
    """
    read = parse_devices(values or ())
    if read is None:
        return None, CPU if said is None else said
    from dynaxx.signal.device import kinds

    found = _gpus() if read == "auto" else read
    several = found.values() if isinstance(found, Mapping) else [found]
    types = {device.partition(":")[0] for some in several for device in some}
    if strange := types - set(kinds()):
        fix = f"Name such as {', '.join(f'{kind}:0' for kind in kinds())}."
        raise UsageError("--devices", f"{min(strange)!r} is no device.", fix)
    kind = min(types) if said is None else said
    on = kind.partition(":")[0]
    if len(types) > 1 or (types != {on} and (CPU in (on, *types) or on in kinds())):
        problem = f"names {', '.join(sorted(types))} for a plan on {kind}, and one clock tells the time of one kind."
        raise UsageError("--devices", problem, "Name devices of one kind, and that kind as --device.")
    return (None if isinstance(found, tuple) and len(found) == 1 else found), kind


def _gpus() -> tuple[str, ...]:
    """All of this machine's."""
    from dynaxx.engine.runtime import Runtime

    found = Runtime(spread="auto").devices
    if len(found) < 2:
        problem = f"auto takes all GPUs, and there {'is one' if found else 'are none'} here."
        raise UsageError("--devices", problem, "Name them: cuda:0,cuda:1.")
    return found
