"""The codecs of a cascade: each is opened when it is first needed, and once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

import torch

from dynaxx.errors import DataError, SpecError
from dynaxx.spec.codec import CodecSpec, PerChannel
from dynaxx.spec.graph import Node
from dynaxx.spec.grid import Grid
from dynaxx.stage.codec import Codec
from dynaxx.stage.codec_files import codec_folder, copy_autoencoder, identity, open_autoencoder


@final
@dataclass(frozen=True)
class Codecs:
    """The codecs that a cascade declares, by name; relative paths start at `root`."""

    specs: Mapping[str, CodecSpec]
    root: Path | None = None
    allow_download: bool = False
    _open: dict[str, Codec] = field(default_factory=dict)

    def of(self, name: str) -> Codec:
        """A codec, opened.

        Raises:
            RunError: if it is not on this machine.
            DataError: if its files are damaged.
            SpecError: if it is another one than the cascade says.
        """
        if name not in self._open:
            self._open[name] = self._opened(name)
        return self._open[name]

    def folder(self, name: str) -> Path:
        """Where a codec's files lie; RunError as `of`."""
        return codec_folder(name, self.specs[name], self.root, allow_download=self.allow_download)

    def to(self, device: torch.device) -> None:
        """Move those that are open."""
        for codec in self._open.values():
            codec.to(device)

    def rehearse(self, graph: Iterable[Node], names: Collection[str]) -> None:
        """Open the codecs `names`, and see that they can work on all of the graph's grids in their spaces.

        Raises:
            SpecError: naming the key that does not fit the autoencoder.
        """
        seen = set[tuple[Grid, Grid]]()
        for node in graph:
            if node.decoded is not None and node.grid.space in names and (node.grid, node.decoded) not in seen:
                self.of(node.grid.space).rehearse(node.grid, node.decoded)
                seen.add((node.grid, node.decoded))
        for name in names:
            self.of(name)

    def settled(self, name: str) -> CodecSpec:
        """A codec as the cascade says it, with its identity, scale and shift written down; errors as `of`."""
        own = self.of(name).spec
        return own.model_copy(update={"scale": _short(own.scale), "shift": _short(own.shift)})

    def copy(self, name: str, target: Path) -> None:
        """Copy a codec's files, unless they are there already; errors as `of`."""
        folder = self.folder(name)
        if folder.resolve() != target.resolve() and not _holds(target, self.of(name).spec.id):
            copy_autoencoder(folder, target)

    def _opened(self, name: str) -> Codec:
        spec, folder = self.specs[name], self.folder(name)
        found = identity(folder)
        if spec.id not in (None, found):
            problem = f"is {spec.id}, but the autoencoder in {folder} is {found}."
            fix = "Put back the one that the stages were trained with, or remove `id` and train them anew."
            raise SpecError(f"codecs.{name}.id", problem, fix)
        return Codec(name, spec, open_autoencoder(folder), identity=found)


def _holds(folder: Path, wanted: str | None) -> bool:
    try:
        return identity(folder) == wanted
    except DataError:
        return False


def _short(value: PerChannel | None) -> PerChannel | None:
    """One number for channels that are all alike."""
    return value[0] if isinstance(value, tuple) and len(set(value)) == 1 else value
