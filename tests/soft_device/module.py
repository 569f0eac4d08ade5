"""What stands as `torch.soft`: the names that torch's own device modules have, over the device's library."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import torch

NAME = "soft"
COUNT = 2
GIB = 2**30
Where = torch.device | str | int | None


class Soft(ModuleType):
    """`torch.soft`; memory, streams and current device are `torch.accelerator`'s."""

    Stream, Event = torch.Stream, torch.Event
    memory_allocated = staticmethod(torch.accelerator.memory_allocated)
    max_memory_allocated = staticmethod(torch.accelerator.max_memory_allocated)
    memory_reserved = staticmethod(torch.accelerator.memory_reserved)
    max_memory_reserved = staticmethod(torch.accelerator.max_memory_reserved)
    reset_peak_memory_stats = staticmethod(torch.accelerator.reset_peak_memory_stats)
    memory_stats = staticmethod(torch.accelerator.memory_stats)
    mem_get_info = staticmethod(torch.accelerator.get_memory_info)
    empty_cache = staticmethod(torch.accelerator.empty_cache)
    synchronize = staticmethod(torch.accelerator.synchronize)
    current_device = staticmethod(torch.accelerator.current_device_index)
    set_device = staticmethod(torch.accelerator.set_device_index)
    set_stream = staticmethod(torch.accelerator.set_stream)
    device_count = staticmethod(torch._C._accelerator_hooks_device_count)

    def __init__(self, library: Path) -> None:
        super().__init__(f"torch.{NAME}", __doc__)
        torch.ops.load_library(str(library))
        self._own: Any = torch.ops.soft_device
        self._total, self._fraction = [GIB] * COUNT, [1.0] * COUNT

    def begin(self) -> None:
        """Two whole devices for who asks for one."""
        self.show(True)
        self.empty_cache()
        for i in range(COUNT):
            self._fraction[i] = 1.0
            self.set_total_memory(GIB, i)
            self.reset_peak_memory_stats(i)
            self.most(i, anew=True)

    def left(self) -> str:
        """In words, what was not given back."""
        held = {i: self.memory_allocated(i) for i in range(COUNT)}
        return ", ".join(f"{held[i]} bytes on device {i}" for i in held if held[i])

    def end(self) -> None:
        """No device for who asks for one."""
        try:
            for i in range(COUNT):
                self.synchronize(i)
        finally:
            self.show(False)

    def is_available(self) -> bool:
        return bool(self.device_count())

    def is_initialized(self) -> bool:
        return True

    def init(self) -> None:
        """Nothing is to be done."""

    def _is_in_bad_fork(self) -> bool:
        return False

    def get_device_name(self, device: Where = None) -> str:
        return f"soft device {self._index(device)}"

    def get_device_properties(self, device: Where = None) -> SimpleNamespace:
        i = self._index(device)
        return SimpleNamespace(name=self.get_device_name(i), total_memory=self._total[i])

    def set_per_process_memory_fraction(self, fraction: float, device: Where = None) -> None:
        """The device gives out so much of its memory; more is out of memory."""
        self._fraction[self._index(device)] = fraction
        self._have(self._index(device))

    def get_per_process_memory_fraction(self, device: Where = None) -> float:
        return self._fraction[self._index(device)]

    def set_total_memory(self, total: int, device: Where = None) -> None:
        """The device has so many bytes."""
        self._total[self._index(device)] = total
        self._have(self._index(device))

    def show(self, available: bool, *, float64: bool = True) -> None:
        """Whether there is a device for who asks, and whether it has float64."""
        self._own.show(available, float64)

    def most(self, device: Where = None, *, anew: bool = False) -> int:
        """The most bytes that were given out since a test began, or asked `anew`; no one else begins this count."""
        return int(self._own.most(self._index(device), anew))

    def waits(self) -> int:
        """How often the host waited for the device so far."""
        return int(self._own.waits())

    def give_up(self) -> int:
        """Drop the copies, and waits among streams, that nobody waited for yet; how many there were."""
        return int(self._own.pending(True))

    def pending(self) -> int:
        """How many copies, and waits among streams, nobody waited for yet."""
        return int(self._own.pending(False))

    def current_stream(self, device: Where = None) -> torch.Stream:
        return torch.accelerator.current_stream(self._index(device))

    @contextmanager
    def stream(self, stream: torch.Stream | None) -> Iterator[None]:
        """What is done comes on this stream."""
        if stream is None:
            yield
            return
        with stream:
            yield

    @contextmanager
    def device(self, device: Where) -> Iterator[None]:
        """What is made without a number is made on this device."""
        was = self.current_device()
        self.set_device(self._index(device))
        try:
            yield
        finally:
            self.set_device(was)

    def manual_seed_all(self, seed: int) -> None:
        for i in range(COUNT):
            self._own.seed(i, seed)

    def manual_seed(self, seed: int) -> None:
        self._own.seed(self.current_device(), seed)

    def get_rng_state(self, device: Where = NAME) -> torch.Tensor:
        return self._own.state(self._index(device))  # type: ignore[no-any-return]

    def set_rng_state(self, state: torch.Tensor, device: Where = NAME) -> None:
        self._own.set_state(self._index(device), state)

    def is_bf16_supported(self, including_emulation: bool = True) -> bool:
        return including_emulation

    def _index(self, device: Where) -> int:
        found = device if isinstance(device, int) else None if device is None else torch.device(device).index
        return int(self.current_device()) if found is None else found

    def _have(self, i: int) -> None:
        self._own.have(i, self._total[i], int(self._total[i] * self._fraction[i]))
