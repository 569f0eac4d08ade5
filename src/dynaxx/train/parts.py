"""An array on disk that is made part by part, so that making it can be stopped and goes on."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from dynaxx.errors import RunError
from dynaxx.store.atomic import WAYS_OUT, make_folder, publish


@final
@dataclass(frozen=True)
class Parts:
    """`shape` numbers of `dtype` in `file`, `each` rows at a time; every part is on disk before the next begins.

    A file under its own name is whole.
    """

    file: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    each: int

    @property
    def count(self) -> int:
        """How many parts there are."""
        return -(-self.shape[0] // self.each)

    @property
    def missing(self) -> bool:
        """Whether something is left to be made."""
        return not self.file.exists()

    def rows(self, part: int) -> range:
        """The rows of a part."""
        return range(part * self.each, min((part + 1) * self.each, self.shape[0]))

    @property
    def done(self) -> int:
        """The parts that are surely on disk: the last one may be there in name only, if the power went."""
        if not self._aside.exists():
            return 0
        return max(0, (self._aside.stat().st_size - len(self._header())) // (self.each * self._row_bytes) - 1)

    def write(self, part: int, values: NDArray[Any]) -> None:
        """Write a part; the parts before it are there.

        Raises:
            RunError: where it cannot be written.
        """
        header, place = self._header(), make_folder(self.file.parent)
        assert values.shape == (len(self.rows(part)), *self.shape[1:])
        try:
            with self._aside.open("r+b" if self._aside.exists() else "w+b") as file:
                file.write(header)
                file.seek(len(header) + part * self.each * self._row_bytes)
                file.truncate()
                file.write(values.astype(self.dtype, copy=False).tobytes())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            reason, fix = (error.strerror or str(error)).lower(), WAYS_OUT.get(error.errno or 0, "")
            raise RunError(str(place / self.file.name), f"cannot be written: {reason}.", fix) from error

    def finish(self) -> None:
        """Give the file its name."""
        if self.missing:
            publish(self._aside, self.file)

    def read(self) -> NDArray[Any]:
        """The array, mapped from disk."""
        return np.load(self.file, mmap_mode="r", allow_pickle=False)

    @property
    def _aside(self) -> Path:
        return self.file.with_name(f".{self.file.name}.part")

    @property
    def _row_bytes(self) -> int:
        return int(np.prod(self.shape[1:])) * self.dtype.itemsize

    def _header(self) -> bytes:
        buffer = io.BytesIO()
        facts = {"descr": np.lib.format.dtype_to_descr(self.dtype), "fortran_order": False, "shape": self.shape}
        np.lib.format.write_array_header_1_0(buffer, facts)
        return buffer.getvalue()
