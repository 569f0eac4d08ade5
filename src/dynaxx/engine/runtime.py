"""How a cascade runs: device, precision, batches, placement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, final, get_args

import torch

from dynaxx.errors import UsageError
from dynaxx.plan.assign import Spread
from dynaxx.plan.placement import Wanted
from dynaxx.signal.device import accelerator, accelerators, device_of, usable
from dynaxx.signal.memory_size import bytes_of
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.stage import PipelineStage
from dynaxx.stage.levers.table import LEVERS


@final
@dataclass(frozen=True)
class Runtime:
    """How a cascade runs; none of it changes a sample by more than rounding, but for `size`.

    Args:
        device: `cpu`, `cuda`, `cuda:1`, `xpu`, `mps`, ...; an accelerator is taken where there is one, whoever made it.
        dtype: of the state.
        batch_size: the most samples that pass a stage at once; halved for a node whose memory does not do.
        probe: whether each node's own best batch size is looked for: doubled from 1 while samples get faster.
        levers: what is tried to make wrapped networks faster, by name (`stage/levers/table.py`): each is kept for a
            stage where a real call of its network is faster with it, and answers alike; `bfloat16` and `float16` are
            given the room that half precision needs.
        placement: `resident`, `one-at-a-time` to hold the weights of a single stage, or `auto`: what the cap allows.
        memory_cap: the most of each device that may be used, in bytes or as text such as `8GiB`. On a GPU it is
            enforced; on a CPU it decides on the placement, and weights that are not needed are not in memory.
        spread: stages over several devices, all at work at once, each on a batch of its own. `auto` takes all GPUs, and
            `("cuda:0", "cuda:1")` those: which stages each holds follows from times and weights, and slow stages have
            replicas. `{"base": ("cuda:0",), "up": ("cuda:1", "cuda:2")}` says it by name.
        size: of the base grid, where the cascade file fixes none, or in its place.
        allow_download: whether pipelines, codecs and text encoders that are not on this machine may be fetched.

    Raises:
        UsageError: if a value cannot be meant, or the device is not there.
    """

    device: str | None = None
    dtype: torch.dtype = torch.float32
    batch_size: int = 64
    probe: bool = False
    levers: tuple[str, ...] = ()
    placement: Wanted = "auto"
    memory_cap: int | str | None = None
    spread: Literal["auto"] | Sequence[str] | Spread | None = None
    size: tuple[int, ...] | None = None
    allow_download: bool = False

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise UsageError("batch_size", f"is {self.batch_size}.", "Give 1 or more.")
        if isinstance(self.spread, str) and self.spread != "auto":
            raise UsageError("spread", f"{self.spread!r} is unknown.", "Give auto, or a list of devices.")
        if self.seats is not None and not all(self.seats.values()):
            unnamed = next(name for name, devices in self.seats.items() if not devices)
            raise UsageError("spread", f"names no device for {unnamed!r}.", "Name one, or leave the stage out.")
        if self.spread is not None and self.placement == "one-at-a-time":
            problem = "keeps every stage where it is, and placement 'one-at-a-time' has one stage come after another."
            raise UsageError("spread", problem, "Leave out one of the two.")
        for lever in self.levers:
            if lever not in LEVERS:
                raise UsageError("levers", f"{lever!r} is unknown.", f"Known: {', '.join(LEVERS)}.")
            if self.spreads and LEVERS[lever].alone:
                problem = f"{lever!r} {LEVERS[lever].alone}; with `spread` each device works in a thread of its own."
                raise UsageError("levers", problem, "Leave out one of the two.")
        if self.placement not in get_args(Wanted):
            raise UsageError("placement", f"{self.placement!r} is unknown.", f"Known: {', '.join(get_args(Wanted))}.")
        for device in [self.device or "cpu", *_named(self.spread)]:
            usable(device)
        _ = self.cap_bytes  # what is no size is refused here

    def check(self, spec: CascadeSpec) -> None:
        """See that a cascade can run like this.

        Raises:
            UsageError: if levers are asked for, and a stage keeps answers from step to step; or if devices are named
                for a stage that is not there.
        """
        caching = [stage.name for stage in spec.stages if isinstance(stage, PipelineStage) and stage.cache is not None]
        if self.levers and caching:
            problem = f"are tried on single calls of a network, and stage {caching[0]!r} keeps answers (`cache`)."
            raise UsageError("levers", problem, "Leave out --lever (levers), or remove `cache` from the stage.")
        known = [stage.name for stage in spec.stages]
        for name in self.seats or {}:
            if name not in known:
                raise UsageError(f"stage {name!r}", "no such stage to spread.", f"Known: {', '.join(known)}.")

    @property
    def frugal(self) -> bool:
        """Whether weights are in memory only while they are needed."""
        return self.memory_cap is not None or self.placement == "one-at-a-time"

    @property
    def cap_bytes(self) -> int | None:
        """The memory cap in bytes, however it was said."""
        return None if self.memory_cap is None else bytes_of(self.memory_cap, place="memory_cap")

    @property
    def seats(self) -> Spread | None:
        """The devices of each stage, where they are said by name."""
        if not isinstance(self.spread, Mapping) or not self.spread:
            return None
        return {name: _each_once(devices) for name, devices in self.spread.items()}

    @property
    def devices(self) -> tuple[str, ...]:
        """The devices that stages are spread over; one, or none, where they are not."""
        if self.spread == "auto":
            return accelerators()
        return _named(self.spread)

    @property
    def spreads(self) -> bool:
        """Whether stages are spread over devices: those of a list that is one long work as a device alone does."""
        return self.seats is not None or len(self.devices) > 1

    @property
    def gathers(self) -> torch.device:
        """Where the stages' answers lie: those of several devices come together in the machine's memory."""
        return torch.device("cpu") if self.spreads else self.on

    @property
    def on(self) -> torch.device:
        """The device, with its number where it has one; the first of a list that stages are spread over."""
        listed = next(iter(() if self.seats else self.devices), None)
        return device_of(self.device or listed or accelerator() or "cpu")


def _named(spread: str | Sequence[str] | Spread | None) -> tuple[str, ...]:
    """The devices that are named, each once."""
    if spread is None or isinstance(spread, str):
        return ()
    several = spread.values() if isinstance(spread, Mapping) else [spread]
    return _each_once([device for devices in several for device in devices])


def _each_once(devices: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(device_of(device)) for device in devices))


DEFAULT = Runtime()
