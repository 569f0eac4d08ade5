"""What a frozen upstream stage makes of the data, so that the next stage learns from what it will receive."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dynaxx.engine.edges import carry
from dynaxx.errors import RunError
from dynaxx.noise.denoiser import Input
from dynaxx.signal.random import Draws
from dynaxx.spec.edge import EdgeNoise, EdgeSpec
from dynaxx.spec.graph import Node
from dynaxx.stage.stage import Request, Stage
from dynaxx.store.atomic import WAYS_OUT, make_folder, publish
from dynaxx.train.material import Material
from dynaxx.train.signals import encoded

BATCH = 64
RENEWED_FROM_STD = 1.0
"""A stage without inputs takes the truth up at this level: its layout stays, its detail is the stage's own."""


@final
@dataclass(frozen=True)
class Answers:
    """The stage's answer to each sample of the data, `(N, C, *size)` as the data is kept, in `file`.

    It sees the truth of its own inputs, so that its answer belongs to the same sample; a stage without inputs renews
    the truth from half its noise (SDEdit, arXiv 2108.01073). Made in `parts`, each on disk before the next begins, so
    that it can be stopped and goes on; a file under its own name is whole.
    """

    node: Node
    stage: Stage
    sizes: Mapping[str, tuple[int, ...]]
    material: Material
    device: torch.device
    file: Path

    @property
    def parts(self) -> int:
        """How many parts there are."""
        return -(-len(self.material.signals) // BATCH)

    @property
    def missing(self) -> bool:
        """Whether something is left to be made."""
        return not self.file.exists()

    def make(self, part: int) -> None:
        """Make one part, if it is not there yet; the parts before it are.

        Raises:
            RunError: where it cannot be written.
        """
        try:
            if self._done() <= part:
                self._append(part)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise RunError(
                str(self.file), f"cannot be written: {reason}.", WAYS_OUT.get(error.errno or 0, "")
            ) from error

    def finish(self) -> None:
        """Give the file its name, and remove what other weights or settings had made."""
        if self.missing:
            publish(self._aside, self.file)
            for stale in self.file.parent.iterdir():
                if stale != self.file:
                    stale.unlink()

    def read(self) -> NDArray[Any]:
        """The answers, in order."""
        return np.load(self.file, mmap_mode="r", allow_pickle=False)

    @property
    def _aside(self) -> Path:
        return self.file.with_name(f".{self.file.name}.part")

    @property
    def _truth(self) -> NDArray[Any]:
        return self.material.signals.arrays[self.node.grid.size]

    def _done(self) -> int:
        """The parts that are surely on disk: the last one may be there in name only, if the power went."""
        if not self._aside.exists():
            return 0
        each = BATCH * self._truth[0].nbytes
        return max(0, (self._aside.stat().st_size - len(self._header())) // each - 1)

    def _append(self, part: int) -> None:
        self.stage.to(self.device)
        rows = range(part * BATCH, min((part + 1) * BATCH, len(self.material.signals)))
        answer = _answer(self.node, self.stage, self.sizes, self.material, rows, self.device)
        header, truth = self._header(), self._truth
        make_folder(self.file.parent)
        with self._aside.open("r+b" if self._aside.exists() else "w+b") as file:
            file.write(header)
            file.seek(len(header) + part * BATCH * truth[0].nbytes)
            file.truncate()
            file.write(encoded(answer.clamp(-1, 1), truth.dtype).tobytes())
            file.flush()
            os.fsync(file.fileno())

    def _header(self) -> bytes:
        truth, buffer = self._truth, io.BytesIO()
        facts = {"descr": np.lib.format.dtype_to_descr(truth.dtype), "fortran_order": False, "shape": truth.shape}
        np.lib.format.write_array_header_1_0(buffer, facts)
        return buffer.getvalue()


def _answer(
    node: Node,
    stage: Stage,
    sizes: Mapping[str, tuple[int, ...]],
    material: Material,
    rows: range,
    device: torch.device,
) -> Tensor:
    draws = Draws(0, f"generated/{node.name}", tuple(rows))
    condition = material.condition.take([material.asked[row] for row in rows]).to(device)
    spec, inputs = node.stage, dict[str, Input]()
    for name, given in node.inputs.items():
        parents = [material.signals.at(sizes[parent], rows).to(device) for parent in given.parents]
        inputs[name] = carry(given.edge, parents, node.grid.size, draws.scoped(f"{draws.scope}.{name}"))
    if not inputs:
        std = RENEWED_FROM_STD
        edge = EdgeSpec(from_=node.name, via="start", noise=EdgeNoise(std=std))
        truth = material.signals.at(node.grid.size, rows).to(device)
        spec, inputs = spec.model_copy(update={"inputs": {"low": edge}}), {"low": _noisy(truth, std, draws)}
    return stage.run(Request(spec, node.grid, inputs, condition, draws, device)).cpu()


def _noisy(truth: Tensor, std: float, draws: Draws) -> Input:
    eps = draws.normal("start", tuple(truth.shape[1:]), device=truth.device)
    return Input(x=truth + std * eps, source=truth, std=std)
