"""Weights that are mapped when a stage needs them and let go after: a file's pages count only once they are touched."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol, final

import torch
from torch import Tensor, nn

from dynaxx.stage.layout import bring
from dynaxx.stage.stage import Request, SavesWeights, Stage
from dynaxx.stage.streaming import begun_anew, stop_streaming, stream_blocks, streams
from dynaxx.stage.weights import WEIGHTS, map_weights, tensors_bytes

M_MMAP_THRESHOLD, M_TRIM_THRESHOLD = -3, -1
"""glibc's numbers for the size from which a block is mapped by itself, and for what the heap's end may keep free."""


class HasNetwork(Stage, SavesWeights, Protocol):
    """A stage around one network."""

    network: nn.Module


@final
class Mapped:
    """A stage of ours whose network has shapes and no memory (the meta device) but for when it is fetched."""

    def __init__(self, stage: HasNetwork, folder: Path) -> None:
        self.stage, self.network, self.folder = stage, stage.network, folder
        self._streams = False

    def fetch(self, device: torch.device, texts: Sequence[str]) -> None:
        """Map the weights, and move them where the device is another."""
        if self._bare:
            map_weights(self.network, self.folder)
        bring(self.network, device)

    def holds(self, device: torch.device) -> bool:
        """Whether the weights are on the device, or come there block by block."""
        return self._streams or lie_on(self.network, device)

    def stream(self, device: torch.device, texts: Sequence[str]) -> None:
        """Map the weights, and have blocks of them come to a device that has memory of its own as they are called.

        A CPU works on the mapped file itself; networks that cannot be parted come whole.
        """
        if self._streams:
            return
        if not on_its_own(device) or not streams(self.network):
            self.fetch(device, texts)
            return
        self.fetch(torch.device("cpu"), texts)
        stream_blocks(self.network, device)
        self._streams = True

    @property
    def _bare(self) -> bool:
        return any(x.is_meta for x in self.network.state_dict().values())

    def evict(self) -> None:
        """Leave shapes alone, and give the memory back to the system."""
        if self._streams:
            stop_streaming(self.network)
            self._streams = False
        bare = {name: x.to("meta") for name, x in self.network.state_dict().items()}
        self.network.load_state_dict(bare, assign=True)
        give_back()

    def ahead(self, device: torch.device, room_bytes: int | None) -> None:
        """Have the system read the file."""
        read_ahead([self.folder / WEIGHTS])

    @property
    def weights_bytes(self) -> int | None:
        """What the file's tensors take in the network's number format."""
        file, wide = self.folder / WEIGHTS, max((p.element_size() for p in self.network.parameters()), default=None)
        return tensors_bytes(file, item_bytes=wide) if file.is_file() else None

    def run(self, request: Request) -> Tensor:
        """What the stage answers."""
        with begun_anew([self.network] if self._streams else [], request.device):
            return self.stage.run(request)

    def to(self, device: torch.device) -> None:
        """Move what is held."""
        if not self._bare:
            self.stage.to(device)

    def save(self, folder: Path) -> None:
        """Write the network, which is fetched for it where it is not there."""
        bare = self._bare
        self.fetch(torch.device("cpu"), ())
        self.stage.save(folder)
        if bare:
            self.evict()


def on_its_own(device: torch.device) -> bool:
    """Whether a device has memory of its own; a CPU works on the mapped files themselves."""
    return device.type != "cpu"


def lie_on(module: nn.Module, device: torch.device) -> bool:
    """Whether all of a module's weights are on a device."""
    return all(x.device == device for x in module.state_dict().values())


def empty(modules: Iterable[nn.Module]) -> None:
    """Let go of weights at once: the modules themselves lie in circles, and a collector would look at all there is."""
    for module in modules:
        for x in (*module.parameters(), *module.buffers()):
            x.data = x.data.new_empty(0)


def give_back() -> None:
    """Return memory that nobody uses any more to the system, where it can be asked to take it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)


def hand_back_early() -> None:
    """Have freed blocks of 256 KiB and more returned at once, for the rest of the process, where malloc can be told.

    Otherwise each layer's workspace stays in the heap: a sixth of a stage, where every byte counts.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 2**18)
        mallopt(M_TRIM_THRESHOLD, 2**17)


def read_ahead(files: Iterable[Path]) -> None:
    """Ask the system to read files into its cache, where it can be asked; that memory is the cache's, not ours."""
    if not hasattr(os, "posix_fadvise"):
        return
    for file in files:
        if not file.is_file():
            continue
        opened = os.open(file, os.O_RDONLY)
        try:
            os.posix_fadvise(opened, 0, 0, os.POSIX_FADV_WILLNEED)
        finally:
            os.close(opened)
