"""The devices of this machine, whoever made them: which there are, what they can do, and how one waits for them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from dynaxx.errors import UsageError

HOSTS = ("cpu", "meta")
"""Types of devices that are no accelerator."""
MAKES = ("cuda", "xpu", "mps")
"""Types of accelerators that torch brings with it; a package may register one more."""
LONE = "mps"
"""Apple's: there is one, so that its functions take no device; and its memory is the machine's."""


def apart(device: torch.device) -> bool:
    """Whether a device is an accelerator, with tensors of its own beside the CPU's."""
    return device.type not in HOSTS


def accelerator() -> str | None:
    """The type of this machine's accelerator, `cuda`, `xpu`, `mps` or another; None where none is at work."""
    found: torch.device | None = torch.accelerator.current_accelerator()
    return found.type if found is not None and torch.accelerator.is_available() else None


def accelerators() -> tuple[str, ...]:
    """All of this machine's accelerators by name."""
    found = accelerator()
    return () if found is None else tuple(f"{found}:{i}" for i in range(torch.accelerator.device_count()))


def kinds() -> tuple[str, ...]:
    """The types of devices that one may ask for: the CPU, accelerators that are well known, and what is here."""
    return tuple(dict.fromkeys(found for found in ("cpu", *MAKES, accelerator()) if found))


def numbered(device: torch.device) -> torch.device:
    """A device of this machine with its number, as its tensors have it: `cuda` and `cuda:0` are one."""
    index: int | None = device.index
    if index is not None or device.type != accelerator():
        return device
    number = asked(device, "current_device")
    return torch.device(device.type, 0 if number is None else number)


def device_of(name: str) -> torch.device:
    """A device by its name, with its number where it is here.

    Raises:
        UsageError: if no device is called so.
    """
    try:
        return numbered(torch.device(name))
    except RuntimeError as error:
        raise UsageError("device", f"{name!r} is no device.", _way_out()) from error


def usable(name: str) -> torch.device:
    """A device by its name, which can hold a tensor.

    Raises:
        UsageError: if it is none, or not here.
    """
    device = device_of(name)
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, ImportError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].split(". ")[0]
        raise UsageError("device", f"{name!r} cannot be used ({reason}).", _way_out()) from error
    return device


def _way_out() -> str:
    return f"Name another, or none: this machine has {', '.join(('cpu', *accelerators()))}."


def name_of(device: torch.device) -> str | None:
    """What its maker calls an accelerator; None where nobody says."""
    found = asked(device, "get_device_name", device)
    return str(found) if found else None


def has_float64(device: torch.device) -> bool:
    """Whether a device computes in double precision: Apple's do not, and some of Intel's do not."""
    if not apart(device):
        return True
    if (said := getattr(asked(device, "get_device_properties", device), "has_fp64", None)) is not None:
        return bool(said)
    try:
        torch.empty(0, dtype=torch.float64, device=device)
    except (TypeError, RuntimeError):
        return False
    return True


def double(x: Tensor) -> Tensor:
    """In float64: where it lies, or on the CPU where its device has none."""
    return x.double() if has_float64(x.device) else x.cpu().double()


def double_on(device: torch.device) -> torch.device:
    """Where to compute in float64 what a device is to have: there, or on the CPU where it has none."""
    return device if has_float64(device) else torch.device("cpu")


def has_bfloat16(device: torch.device) -> bool:
    """Whether an accelerator says that it multiplies bfloat16 by itself."""
    says = getattr(module_of(device), "is_bf16_supported", None)
    if says is None:
        return False
    try:
        return bool(says(including_emulation=False))
    except TypeError:  # a maker who emulates nothing
        return bool(says())


def has_streams(device: torch.device) -> bool:
    """Whether a device does several things at once, each in a queue of its own."""
    module = module_of(device)
    return all(hasattr(module, name) for name in ("Stream", "stream", "current_stream"))


def aside(device: torch.device, work: Callable[[], None]) -> Any:
    """Have `work` done on a stream of its own, after what the device was asked before; gives the event of its end.

    None where a device has no streams: what is asked from here on comes after it by itself.
    """
    module: Any = module_of(device)
    if not has_streams(device):
        work()
        return None
    stream = module.Stream(device)
    stream.wait_stream(module.current_stream(device))
    with module.stream(stream):
        work()
        return stream.record_event()


def wait_for(device: torch.device, event: Any) -> None:
    """Have what a device is asked from here on come after an event of `aside`; nobody waits here."""
    module: Any = module_of(device)
    module.current_stream(device).wait_event(event)


def synchronize(device: torch.device) -> None:
    """Wait for all that a device was asked."""
    asked(device, "synchronize", *of(device))


def synchronize_computed(device: torch.device) -> None:
    """Wait for what a device was asked to compute, not for what is copied to it aside; a CPU is done already."""
    if has_streams(device):
        module: Any = module_of(device)
        module.current_stream(device).synchronize()
    else:
        synchronize(device)


def working_on(device: torch.device) -> AbstractContextManager[Any]:
    """Make an accelerator the one that this thread works on where it names only the type."""
    found = getattr(module_of(device), "device", None)
    return nullcontext() if found is None else found(device)


def same_draws_after(device: torch.device) -> AbstractContextManager[None]:
    """Give torch's random generators, the CPU's and the device's, back as they were."""
    if hasattr(module_of(device), "get_rng_state"):
        return torch.random.fork_rng(devices=[device], device_type=device.type)
    return torch.random.fork_rng(devices=[], device_type="cpu")


def module_of(device: torch.device) -> ModuleType | None:
    """What torch has for an accelerator (`torch.xpu`, ...); None for others, and where nothing is registered."""
    return getattr(torch, device.type, None) if apart(device) else None


def of(device: torch.device) -> tuple[torch.device, ...]:
    """What a function of the device's module that is about one device is called with."""
    return () if device.type == LONE else (device,)


def asked(device: torch.device, name: str, *given: Any) -> Any:
    """What a function of the device's module answers; None where it has no such function."""
    function = getattr(module_of(device), name, None)
    return None if function is None else function(*given)
