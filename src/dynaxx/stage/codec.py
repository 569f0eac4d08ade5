"""An autoencoder of diffusers as a codec: signals to latents and back, with its scale and shift."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, final

import torch
from torch import Tensor, nn

from dynaxx.errors import SpecError
from dynaxx.signal.random import Draws
from dynaxx.spec.codec import CodecSpec, PerChannel
from dynaxx.spec.grid import PIXELS, Grid
from dynaxx.stage.layout import bring

BATCH = 16
"""Samples that pass the autoencoder at once: signals are larger than what a cascade's stages work on."""
REFUSALS = TypeError, ValueError, RuntimeError, NotImplementedError, AssertionError, IndexError
"""What a network raises that is given something else than it was made for."""
LATENTS = ("latents", "latent")
"""What autoencoders without a posterior call their codes."""


@final
class Codec:
    """latent = (code - shift) * scale, the code being what the autoencoder's encoder answers with.

    `spec` says all of it: `id`, `scale` and `shift` are set.
    """

    def __init__(self, name: str, spec: CodecSpec, network: nn.Module, *, identity: str) -> None:
        self.name, self.network = name, network.eval().requires_grad_(False)
        self._autoencoder: Any = self.network
        scale, shift = own_constants(network)
        known = {
            "id": identity,
            "scale": self._fitting("scale", scale, spec.channels) if spec.scale is None else spec.scale,
            "shift": self._fitting("shift", shift, spec.channels) if spec.shift is None else spec.shift,
        }
        self.spec = spec.model_copy(update=known)

    @torch.no_grad()
    def encode(self, x: Tensor, draws: Draws | None = None, *, purpose: str = "posterior") -> Tensor:
        """The latents `(B, C, *n)` of signals `(B, C', *size)` in [-1, 1], in their dtype and on their device.

        A sample from the posterior, where the cascade asks for one, is drawn from `draws`.
        """
        parts = list[Tensor]()
        for start in range(0, len(x), BATCH):
            rows = slice(start, start + BATCH)
            code, std = parted(self._autoencoder.encode(x[rows].to(*self._at)))
            if self.spec.posterior == "sample":
                assert draws is not None, "sampling from a posterior needs random numbers"
                some = replace(draws, ids=draws.ids[rows])
                eps = some.normal(purpose, tuple(code.shape[1:]), device=code.device, dtype=code.dtype)
                code = code + self._known(std) * eps
            parts.append(code)
        return self._scaled(torch.cat(parts)).to(x.device, x.dtype)

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """The signals `(B, C', *size)` that latents `(B, C, *n)` stand for, held in [-1, 1]."""
        codes = self._unscaled(latents.to(*self._at))
        parts = [tensor_of(self._autoencoder.decode(part)) for part in codes.split(BATCH)]
        return torch.cat(parts).clamp(-1, 1).to(latents.device, latents.dtype)

    def to(self, device: torch.device) -> None:
        """Move the autoencoder."""
        bring(self.network, device)

    def rehearse(self, latents: Grid, signal: Grid) -> None:
        """See that signals on one grid and latents on the other lead to each other.

        Nothing is computed, but for autoencoders that cannot do without: they are tried on one sample.

        Raises:
            SpecError: if the autoencoder cannot work on them, or makes something else of them.
        """
        self._see("encodes", signal, self._shape(lambda network, x: parted(network.encode(x))[0], signal), latents)
        self._see("decodes", latents, self._shape(lambda network, z: tensor_of(network.decode(z)), latents), signal)

    @torch.no_grad()
    def _shape(self, call: Callable[[Any, Tensor], Tensor], grid: Grid) -> tuple[int, ...]:
        try:
            with torch.device("meta"):
                empty = type(self._autoencoder).from_config(self._autoencoder.config).eval()
                return tuple(call(empty, torch.zeros(1, *grid.shape)).shape[1:])
        except REFUSALS:  # some bring tensors of their own, which lie elsewhere
            pass
        try:
            device, dtype = self._at
            return tuple(call(self._autoencoder, torch.zeros(1, *grid.shape, device=device, dtype=dtype)).shape[1:])
        except REFUSALS as error:
            said = str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
            problem = f"{type(self.network).__name__} cannot work on {grid} ({said})."
            fix = "Change the sizes, the codec's `channels`, `signal_channels` and `factor`, or the codec."
            raise SpecError(f"codecs.{self.name}", problem, fix) from error

    def _fitting(self, key: str, own: PerChannel, channels: int) -> PerChannel:
        """The autoencoder's own scale or shift; some have statistics that are not per channel."""
        if isinstance(own, tuple) and len(own) != channels:
            problem = f"is left out, and {type(self.network).__name__} has {len(own)} numbers for {channels} channels."
            raise SpecError(f"codecs.{self.name}.{key}", problem, f"Set the codec's `{key}`, or its `channels`.")
        return own

    def _see(self, does: str, given: Grid, found: tuple[int, ...], due: Grid) -> None:
        if found == due.shape:
            return
        key = "factor" if found[1:] != due.size else "channels" if due.space != PIXELS else "signal_channels"
        problem = f"{type(self.network).__name__} {does} {given} to {'x'.join(map(str, found))}, not to {due}."
        raise SpecError(f"codecs.{self.name}.{key}", problem, "Set it to the autoencoder's own.")

    def _known(self, std: Tensor | None) -> Tensor:
        if std is None:
            problem = f"is 'sample', but {type(self.network).__name__} has no posterior to sample from."
            raise SpecError(f"codecs.{self.name}.posterior", problem, "Leave it out.")
        return std

    def _scaled(self, code: Tensor) -> Tensor:
        return (code - self._constant(self.spec.shift, code)) * self._constant(self.spec.scale, code)

    def _unscaled(self, latents: Tensor) -> Tensor:
        return latents / self._constant(self.spec.scale, latents) + self._constant(self.spec.shift, latents)

    def _constant(self, value: PerChannel | None, like: Tensor) -> Tensor:
        assert value is not None
        return torch.as_tensor(value, dtype=like.dtype, device=like.device).reshape(1, -1, *[1] * (like.ndim - 2))

    @property
    def _at(self) -> tuple[torch.device, torch.dtype]:
        """Where and in which number format the autoencoder works."""
        first = next(self.network.parameters())
        return first.device, first.dtype


def parted(answer: Any) -> tuple[Tensor, Tensor | None]:
    """The code that an encoder answers with, and the std of its posterior where it has one."""
    if (posterior := getattr(answer, "latent_dist", None)) is not None:
        return posterior.mode(), getattr(posterior, "std", None)
    return tensor_of(answer, LATENTS), None


def tensor_of(answer: Any, names: Sequence[str] = ("sample",)) -> Tensor:
    """The tensor in an answer: itself, the first of a tuple, or what bears one of the names."""
    found = next((getattr(answer, name) for name in names if hasattr(answer, name)), answer)
    tensor = found[0] if isinstance(found, tuple) else found
    assert isinstance(tensor, Tensor), f"an autoencoder answered with {type(answer).__name__}"
    return tensor


def own_constants(network: Any) -> tuple[PerChannel, PerChannel]:
    """An autoencoder's own scale and shift: its factors, and its statistics per channel where it has them.

    latent = (code - mean) * scaling_factor / std.
    """
    scale = _number(network, "scaling_factor", 1.0)
    mean = _statistics(network, "latents_mean")
    std = _statistics(network, "latents_std")
    shift: PerChannel = _number(network, "shift_factor", 0.0) if mean is None else mean
    return (scale if std is None else tuple(scale / value for value in std)), shift


def _number(network: Any, key: str, default: float) -> float:
    value = network.config.get(key)
    return default if value is None else float(value)


def _statistics(network: Any, key: str) -> tuple[float, ...] | None:
    found = network.config.get(key)
    found = dict(network.named_buffers()).get(key) if found is None else found
    return None if found is None else tuple(torch.as_tensor(found, dtype=torch.float64).flatten().tolist())
