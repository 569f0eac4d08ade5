"""A stage while it is trained: its network, optimiser and average, as they are saved and taken up again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor

from dynaxx.spec.training import TrainingSpec
from dynaxx.stage.diffusion import Diffusion
from dynaxx.stage.regression import Regression
from dynaxx.train.ema import Ema
from dynaxx.train.machine import Machine
from dynaxx.train.optimise import Optimiser

Trainable = Diffusion | Regression


@final
class Fitting:
    """`step` steps over `images` images are done, `skipped` of them without effect, the last `failed` among them.

    `usual` is the norm that gradients have had lately.
    """

    def __init__(self, stage: Trainable, machine: Machine) -> None:
        self.stage, self.machine = stage, machine
        self.train = stage.spec.train or TrainingSpec()
        self.step = self.images = self.skipped = self.failed = 0
        self.usual = 0.0
        network = stage.network
        machine.lay_out(network, self.train.crop or stage.grid.size)
        if self.train.gradient_checkpointing:
            network.enable_gradient_checkpointing()  # type: ignore[operator]
        self.ema = Ema(self.train.ema, network)
        self.optimiser = Optimiser(self.train.optimizer, network, scaled=machine.autocast == torch.float16)

    @property
    def batch(self) -> int:
        """The samples of one step, over all processes and accumulated parts."""
        return self.train.batch_size * self.train.accumulate

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """All that a checkpoint keeps, by file."""
        return {
            "network": dict(self.stage.network.state_dict()),
            "ema": self.ema.state(),
            "optimizer": self.optimiser.state(),
        }

    def counts(self) -> dict[str, Any]:
        """The numbers that go with the tensors."""
        return {
            "step": self.step, "images": self.images, "skipped": self.skipped, "failed": self.failed,
            "usual": self.usual, "steps": self.train.steps, "scaler": self.optimiser.scaler.state_dict(),
        }  # fmt: skip

    def load(self, tensors: Mapping[str, dict[str, Tensor]], counts: Mapping[str, Any]) -> None:
        """Take up where a checkpoint ended."""
        self.stage.network.load_state_dict(tensors["network"])
        self.ema.load(tensors["ema"])
        self.optimiser.load(tensors["optimizer"])
        self.step, self.images, self.skipped = counts["step"], counts["images"], counts["skipped"]
        self.failed, self.usual = counts.get("failed", 0), counts.get("usual", 0.0)
        if self.optimiser.scaler.is_enabled():
            self.optimiser.scaler.load_state_dict(counts["scaler"])
