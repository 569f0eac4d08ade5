"""The network seam: our U-Net, or any diffusers model, behind `(x, level, told, condition) -> answer`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, final

from torch import Tensor, nn

from dynaxx.errors import SpecError
from dynaxx.spec.condition import ConditionSpec
from dynaxx.spec.grid import Grid
from dynaxx.spec.network import DiffusersNetworkSpec, NetworkSpec, UNetSpec
from dynaxx.stage.condition import Condition
from dynaxx.stage.foreign import Backbone, foreign_call, make_foreign


def make_network(spec: NetworkSpec, *, grid: Grid, in_channels: int, told: int, condition: ConditionSpec) -> nn.Module:
    """A network with fresh weights that answers on `grid` and can take all that it will be given.

    Raises:
        SpecError: if the configuration cannot be built, or a level or condition would be dropped silently.
    """
    if isinstance(spec, UNetSpec):
        return _unet(spec, grid, in_channels, told, condition)
    return make_foreign(spec, grid, in_channels, told, condition)


@final
class Adapted:
    """A network, ours or diffusers', behind the one call signature; it works in the dtype of its own weights.

    `spec` says by which table a pretrained one is told levels. A deep copy works with the network's copy.
    """

    def __init__(self, network: nn.Module, spec: NetworkSpec | None = None) -> None:
        from dynaxx.stage.unet import CascadeUNet

        self._network, self._spec = network, spec
        timesteps = spec.timesteps if isinstance(spec, DiffusersNetworkSpec) else None
        self._call = _own_call(network) if isinstance(network, CascadeUNet) else foreign_call(network, timesteps)

    def __call__(self, x: Tensor, level: Tensor, told: Tensor | None, condition: Condition) -> Tensor:
        """The network's answer, in the dtype of x."""
        return self._call(x.to(next(self._network.parameters()).dtype), level, told, condition).to(x.dtype)

    def __deepcopy__(self, memo: dict[int, Any]) -> Adapted:
        return Adapted(deepcopy(self._network, memo), self._spec)


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """The network without dropout for as long as it samples, and as it was afterwards."""
    if not network.training:
        yield
        return
    network.eval()
    try:
        yield
    finally:
        network.train()


def _unet(spec: UNetSpec, grid: Grid, in_channels: int, told: int, condition: ConditionSpec) -> nn.Module:
    from dynaxx.stage.unet import CascadeUNet

    wrong = [i for i in spec.attention if not 0 <= i < len(spec.mults)]
    if wrong:
        problem = f"{wrong[0]} is no resolution: there are {len(spec.mults)}, numbered from 0."
        raise SpecError("network.attention", problem, "Lower it, or add to network.mults.")
    return CascadeUNet(
        axes=len(grid.size), in_channels=in_channels, out_channels=grid.channels,
        width=spec.width, mults=list(spec.mults), blocks=spec.blocks, attention=list(spec.attention),
        head_dim=spec.head_dim, dropout=spec.dropout, told=told,
        classes=condition.label.classes if condition.label else 0,
        text_width=condition.text.width if condition.text else 0,
    )  # fmt: skip


def _own_call(network: nn.Module) -> Backbone:
    def call(x: Tensor, level: Tensor, told: Tensor | None, condition: Condition) -> Tensor:
        return network(x, level, told, condition.labels, condition.tokens, condition.mask)

    return call
