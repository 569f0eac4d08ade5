"""Runs that were made before, in memory and, where a folder is named, on disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from dynaxx.store.atomic import write_bytes


@final
@dataclass
class Kept:
    """Outputs by the digest of all that they depend on; `made` counts those that had to be run."""

    folder: Path | None = None
    made: int = 0
    found: int = 0
    _held: dict[str, Tensor] = field(default_factory=dict)

    def get(self, key: str, make: Callable[[], Tensor], *, lasting: bool = True) -> Tensor:
        """The output of that digest; only `lasting` ones, whose digest says all, go to disk."""
        if key in self._held:
            return self._held[key]
        x = self._read(key) if lasting else None
        if x is None:
            self.made += 1
            x = make()
            if lasting:
                self._write(key, x)
        else:
            self.found += 1
        self._held[key] = x
        return x

    def _file(self, key: str) -> Path | None:
        return None if self.folder is None else self.folder / f"{key}.safetensors"

    def _read(self, key: str) -> Tensor | None:
        file = self._file(key)
        try:
            return safetensors.torch.load(file.read_bytes())["x"] if file is not None and file.is_file() else None
        except (OSError, KeyError, safetensors.SafetensorError):
            return None  # a damaged file is made anew

    def _write(self, key: str, x: Tensor) -> None:
        if (file := self._file(key)) is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(file, safetensors.torch.save({"x": x.contiguous().to(torch.float32)}))
