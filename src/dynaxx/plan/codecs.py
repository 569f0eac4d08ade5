"""What the codecs of a run hold: their weights, and what they work with on every edge that they are crossed on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, final

import torch
from torch import nn

from dynaxx.errors import DynaxxError, RunError
from dynaxx.plan.evaluated import evaluated
from dynaxx.plan.growth import BATCH as MANY
from dynaxx.plan.profile import Profile
from dynaxx.plan.signals import signal_bytes
from dynaxx.plan.workspace import block
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.graph import Node
from dynaxx.spec.grid import PIXELS, Grid
from dynaxx.spec.spaces import seen_in
from dynaxx.stage.codec import BATCH, REFUSALS, parted, tensor_of
from dynaxx.stage.codec_files import autoencoder_class, codec_folder, read_config
from dynaxx.store.cache import cache_folder, recall, remember

FORMAT = 1
"""Of what is kept; raised whenever what is found changes."""
_kept: dict[str, Profile] = {}


@final
@dataclass(frozen=True)
class Conversion:
    """Signals decoded from a codec's latents, or (`encodes`) the other way round."""

    codec: str
    latents: Grid
    signal: Grid
    encodes: bool = False


@final
@dataclass(frozen=True)
class CodecPlan:
    """A codec's parameters and the bytes of its weights; `unknown` says why they, or its workings, cannot be told."""

    name: str
    parameters: int = 0
    weights: int = 0
    unknown: str = ""


@final
class CodecPlans:
    """The codecs of a cascade, from their configurations alone; each is built, without memory, when it is asked for."""

    def __init__(self, spec: CascadeSpec, root: Path | None) -> None:
        self._spec, self._root = spec, root
        self._found: dict[str, CodecPlan] = {}
        self._networks: dict[str, tuple[Mapping[str, Any], Any]] = {}

    def of(self, name: str) -> CodecPlan:
        """A codec."""
        if name not in self._found:
            try:
                network = self._network(name)[1]
            except (DynaxxError, *REFUSALS) as error:
                self._found[name] = CodecPlan(name, unknown=f"codec {name!r}: {_first_line(error)}")
            else:
                weights = list(network.parameters())
                count, held = sum(p.numel() for p in weights), sum(p.numel() * p.itemsize for p in weights)
                self._found[name] = CodecPlan(name, count, held)
        return self._found[name]

    def decoding(self, node: Node) -> Conversion:
        """The node's answers shown as what they stand for."""
        assert node.decoded is not None
        return Conversion(node.grid.space, node.grid, node.decoded)

    def entering(self, node: Node, graph: Sequence[Node]) -> Iterator[Conversion]:
        """All that is decoded and encoded on the edges into a node; what is not of `graph` is there already."""
        grids = {other.name: other.grid for other in graph}
        grids |= {f"input.{name}": Grid(due.channels, due.size, due.space) for name, due in self._spec.inputs.items()}
        for name in (name for name in node.inputs if node.path(name)):
            given = node.inputs[name]
            for parent in (parent for parent in given.parents if parent in grids):
                yield from self._between(grids[parent], given.grid.space)
            yield from self._between(given.high, node.grid.space)

    def _between(self, grid: Grid, space: str) -> Iterator[Conversion]:
        signal = seen_in(self._spec.codecs, grid, PIXELS)
        if grid.space == space or signal is None:
            return
        if grid.space != PIXELS:
            yield Conversion(grid.space, grid, signal)
        if space != PIXELS and (latents := seen_in(self._spec.codecs, signal, space)) is not None:
            yield Conversion(space, latents, signal, encodes=True)

    def workings_bytes(self, one: Conversion, samples: int, *, on_cpu: bool) -> float:
        """The most that so many samples hold while they are converted, beside the codec's weights and what is read.

        A few samples pass the autoencoder at once, beside the answers to those before; then all are joined, and scaled
        or clipped. What cannot be rehearsed counts its answers alone, and is said to be unknown.
        """
        codec, at_once = self.of(one.codec), min(BATCH, samples)
        source, answer = (one.signal, one.latents) if one.encodes else (one.latents, one.signal)
        scaled = 0 if one.encodes else signal_bytes(source, samples)
        joined = scaled + 3 * signal_bytes(answer, samples)
        if codec.unknown or (profile := self._profile(one)) is None:
            return joined
        passing = profile.peak_bytes(at_once, source.size, on_cpu=on_cpu) - profile.weights
        return max(joined, scaled + signal_bytes(answer, samples - at_once) + passing)

    def _profile(self, one: Conversion) -> Profile | None:
        config, network = self._network(one.codec)
        grid = one.signal if one.encodes else one.latents
        said = (
            FORMAT, torch.__version__, torch.get_num_threads(), block(), config, one.encodes, grid.channels, grid.size
        )  # fmt: skip
        key = blake2b(json.dumps(said, sort_keys=True, default=str).encode(), digest_size=12).hexdigest()
        place = cache_folder("codecs", f"{key}.json")
        if key not in _kept and (data := recall(place)) is not None:
            with suppress(KeyError, TypeError, ValueError):  # not what this version keeps
                _kept[key] = Profile.from_json(data)
        if key not in _kept:
            try:
                _kept[key] = evaluated(network, _call(network, grid, encodes=one.encodes), grid.size)
            except REFUSALS as error:  # some bring tensors of their own, which lie elsewhere
                why = f"codec {one.codec!r}: its workings cannot be rehearsed ({_first_line(error)})"
                known = self._found[one.codec]
                self._found[one.codec] = CodecPlan(known.name, known.parameters, known.weights, why)
                return None
            remember(place, _kept[key].to_json())
        return _kept[key]

    def _network(self, name: str) -> tuple[Mapping[str, Any], Any]:
        """Its configuration, and the autoencoder without memory.

        Raises:
            RunError: if it is not on this machine, or is no autoencoder.
            DataError: if its configuration is damaged.
        """
        if name not in self._networks:
            folder = codec_folder(name, self._spec.codecs[name], self._root)
            config = read_config(folder)
            kind = autoencoder_class(str(config["_class_name"]))
            if kind is None:
                raise RunError(f"codecs.{name}", f"{config['_class_name']!r} is no autoencoder of diffusers")
            with torch.device("meta"):
                network: nn.Module = kind.from_config(config).eval().requires_grad_(False)
            self._networks[name] = config, network
        return self._networks[name]


def _call(network: Any, grid: Grid, *, encodes: bool) -> Callable[[], object]:
    x = torch.zeros(MANY, *grid.shape, device="meta")
    return lambda: parted(network.encode(x)) if encodes else tensor_of(network.decode(x))


def _first_line(error: Exception) -> str:
    said = str(error).strip().splitlines()
    return said[0].rstrip(".") if said else type(error).__name__
