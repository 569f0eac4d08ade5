"""AdamW with warm-up, decay and clipping, and its state as named tensors."""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor, nn

from dynaxx.spec.training import OptimizerSpec


def learning_rate(spec: OptimizerSpec, step: int, steps: int) -> float:
    """The rate of step 0, 1, ... of `steps`: a linear rise over the warm-up, then level or half a cosine to 0."""
    if step < spec.warmup_steps:
        return spec.lr * (step + 1) / spec.warmup_steps
    if spec.decay == "none":
        return spec.lr
    share = (step - spec.warmup_steps) / max(1, steps - spec.warmup_steps)
    return spec.lr * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))


@final
class Optimiser:
    """One step at a time: `clip`, then `step` or `skip`."""

    def __init__(self, spec: OptimizerSpec, network: nn.Module, *, scaled: bool = False) -> None:
        self.spec = spec
        self._names = [name for name, p in network.named_parameters() if p.requires_grad]
        self.parameters = [p for p in network.parameters() if p.requires_grad]
        device = self.parameters[0].device.type
        self._adamw = torch.optim.AdamW(
            self.parameters, lr=spec.lr, betas=spec.betas, weight_decay=spec.weight_decay, fused=True
        )
        self.scaler = torch.amp.GradScaler(device, init_scale=2.0**12, enabled=scaled)

    def clip(self) -> Tensor:
        """The norm of all gradients before it is brought to at most `clip_norm`."""
        self.scaler.unscale_(self._adamw)
        limit = math.inf if self.spec.clip_norm is None else self.spec.clip_norm
        return nn.utils.clip_grad_norm_(self.parameters, limit)

    def step(self, rate: float) -> None:
        """Change the weights and forget the gradients."""
        self._adamw.param_groups[0]["lr"] = rate
        self.scaler.step(self._adamw)
        self.scaler.update()
        self._adamw.zero_grad()

    def skip(self) -> None:
        """Forget the gradients."""
        self.scaler.update()
        self._adamw.zero_grad()

    def state(self) -> dict[str, Tensor]:
        """The moments and step counts as `<parameter>.<which>`."""
        states = ((name, self._adamw.state[p]) for name, p in zip(self._names, self.parameters, strict=True))
        return {f"{name}.{key}": value for name, state in states for key, value in state.items()}

    def load(self, state: dict[str, Tensor]) -> None:
        """Take up saved moments."""
        for name, p in zip(self._names, self.parameters, strict=True):
            keys = ("step", "exp_avg", "exp_avg_sq")
            found = {key: state[f"{name}.{key}"] for key in keys if f"{name}.{key}" in state}
            self._adamw.state[p] = {key: _placed(key, value, p) for key, value in found.items()}


def _placed(key: str, value: Tensor, like: Tensor) -> Tensor:
    """A moment on its weight's device and in its layout, so that the sums run in the same order."""
    return value.to(like.device) if key == "step" else torch.empty_like(like).copy_(value)
