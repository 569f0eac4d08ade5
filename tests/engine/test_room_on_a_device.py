"""A device's memory that does not do: what was begun ahead makes room, blocks begin anew, caps are used up, kept."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_pipelines import saved, unet
from torch import nn

from dynaxx import Cascade
from dynaxx.engine.runtime import Runtime
from dynaxx.engine.samples import Samples
from dynaxx.signal import device_memory
from dynaxx.signal.device_memory import held_to
from dynaxx.spec.files import parse
from dynaxx.stage.pinned import Pinned
from dynaxx.stage.stage import Request
from dynaxx.stage.streaming import begun_anew, groups_of, stop_streaming, stream_blocks

if TYPE_CHECKING:
    from soft_device.module import Soft

MIB = 2**20
PROMPTS = ["a red apple", "a green pear"]
FEW: dict[str, Any] = {"kind": "pipeline", "call": {"num_inference_steps": 2}}
STAGES: list[dict[str, Any]] = [
    FEW | {"name": "base", "role": "base", "load": "sd", "out": {"size": [16, 16]}},
    FEW | {"name": "up", "role": "refine", "load": "x4", "from": "base", "out": {"scale": 4}},
]


def soft(number: int = 0) -> torch.device:
    """The device, which has no name before a test asks for it."""
    return torch.device("soft", number)


def cascade(root: Path, **runtime: Any) -> Cascade:
    for stage in STAGES:
        saved(stage["load"], root)
    spec = parse({"name": "x", "condition": {"text": {}}, "stages": STAGES})
    return Cascade.from_spec(spec, root=root, runtime=Runtime(**{"device": "soft:0"} | runtime))


def began_ahead(samples: Samples) -> bool:
    return "ahead up" in [event.event for event in samples.trace.events]


class Weighty:
    """A stage of so many MiB of weights, and of workings for every sample."""

    def __init__(self, spec: Any, grid: Any) -> None:
        self.weights, self.workings = (spec.options[name] * MIB for name in ("weights", "workings"))
        self.there: torch.Tensor | None = None

    @property
    def weights_bytes(self) -> int:
        return int(self.weights)

    def fetch(self, device: torch.device, texts: Any = ()) -> None:
        if self.there is None:
            self.there = torch.empty(self.weights, dtype=torch.uint8, device=device)

    def ahead(self, device: torch.device, room_bytes: int | None) -> None:
        assert room_bytes is not None
        if self.weights <= room_bytes:
            self.fetch(device)

    def holds(self, device: torch.device) -> bool:
        return self.there is not None

    def evict(self) -> None:
        self.there = None

    def to(self, device: torch.device) -> None:
        """It lies where it was fetched to."""

    def run(self, request: Request) -> torch.Tensor:
        count = len(request.draws.ids)
        torch.empty(count * self.workings, dtype=torch.uint8, device=request.device)
        return torch.zeros(count, *request.grid.shape, device=request.device)


def weighty(cap_mib: int, *stages: tuple[int, int]) -> Samples:
    kind = {"kind": "custom", "target": "test_room_on_a_device:Weighty"}
    options = [{"options": {"weights": weights, "workings": workings}} for weights, workings in stages]
    base = {"name": "base", "role": "base", "out": {"size": [4, 4]}} | kind | options[0]
    up = {"name": "up", "role": "refine", "from": "base"} | kind | options[1]
    runtime = Runtime(device="soft:0", placement="one-at-a-time", memory_cap=cap_mib * MIB)
    return Cascade.from_spec(parse({"name": "x", "stages": [base, up]}), runtime=runtime).sample(num=6)


def test_what_was_begun_ahead_makes_room_before_a_batch_is_halved(soft_device: Soft) -> None:
    found = weighty(10, (2, 1), (3, 1))
    assert [node.batch_size for node in found.trace.nodes] == [6, 6], "10 are enough for 2 and 6, not for 3 beside them"
    assert began_ahead(found)
    assert found.trace.nodes[0].peak_gib * 2**10 > 6, "it was there"
    assert soft_device.max_memory_allocated(0) <= 10 * MIB


def test_a_batch_is_halved_where_nothing_makes_room(soft_device: Soft) -> None:
    found = weighty(10, (2, 2), (9, 0))
    assert [node.batch_size for node in found.trace.nodes] == [3, 6]


def test_weights_that_have_no_room_ahead_come_when_it_is_their_turn(
    soft_device: Soft, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = cascade(tmp_path, placement="one-at-a-time")
    truth = live.sample(PROMPTS)
    asked: list[str] = []

    def full(self: Any, device: torch.device) -> None:
        asked.append("begin")
        if len(asked) == 2:  # the first is the first stage's, fetched
            raise torch.OutOfMemoryError("another process has it")
        begin(self, device)

    begin = Pinned.begin
    monkeypatch.setattr(Pinned, "begin", full)
    found = live.sample(PROMPTS)
    assert began_ahead(found)
    assert len(asked) == 3
    assert torch.equal(found.x, truth.x)


def evaluated(network: nn.Module, count: int) -> torch.Tensor:
    device = next(network.parameters()).device if not list(groups_of(network)) else soft()
    x = torch.linspace(-1, 1, 4 * 64).view(1, 4, 8, 8).repeat(count, 1, 1, 1).to(device)
    text = torch.zeros(count, 4, network.config["cross_attention_dim"], device=device)  # type: ignore[index]
    with torch.no_grad():
        answer: torch.Tensor = network(x, torch.tensor(5, device=device), text, return_dict=False)[0].cpu()
    return answer


@pytest.mark.parametrize("evaluations", [0, 1, 2], ids=["first", "second", "ahead"])
def test_a_network_whose_blocks_come_is_whole_again_after_a_call_that_failed(
    soft_device: Soft, evaluations: int
) -> None:
    network = unet(0).eval()
    truth = evaluated(network, 2)
    stream_blocks(network, soft())
    resting = soft_device.memory_allocated(0)
    for _ in range(evaluations):
        assert torch.allclose(evaluated(network, 2), truth, atol=1e-5)

    fails = network.up_blocks[0].register_forward_pre_hook(_fail)
    with pytest.raises(torch.OutOfMemoryError), begun_anew([network], soft()):
        evaluated(network, 2)
    fails.remove()
    gc.collect()
    assert soft_device.memory_allocated(0) == resting, "no block is left there"
    assert soft_device.pending() == 0
    for _ in range(3):
        assert torch.allclose(evaluated(network, 2), truth, atol=1e-5)
    stop_streaming(network)
    network.to("cpu")


def _fail(*_: object) -> None:
    raise torch.OutOfMemoryError("in the middle of a call")


def test_blocks_come_on_a_stream_of_the_device_that_they_are_for(soft_device: Soft) -> None:
    network, other = unet(0).eval(), soft(1)
    stream_blocks(network, other)
    streams = [group.stream for group in groups_of(network) if group.stream is not None]
    assert {stream.device_index for stream in streams} == {1}
    assert soft_device.current_device() == 0
    stop_streaming(network)


def test_a_copy_that_nobody_waited_for_is_there_before_its_memory_is_anothers(soft_device: Soft) -> None:
    module = nn.Linear(64, 64)
    master = Pinned([module])
    master.begin(soft())
    assert soft_device.pending() > 0
    del master
    gc.collect()
    soft_device.synchronize(0)  # a copy into memory that was given back would say so
    assert soft_device.memory_allocated(0) == 0


@given(st.integers(2**20, 2**38), st.integers(1, 2**38))
def test_a_share_of_a_devices_memory_is_no_byte_less_than_the_cap(total: int, cap: int) -> None:
    shares: list[float] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device_memory, "total_bytes", lambda device: total)
        patch.setattr(device_memory, "module_of", lambda device: _Holds(shares))
        patch.setattr(device_memory, "asked", lambda device, name, *given: None)
        with held_to(torch.device("cuda", 0), cap):
            held = int(shares[-1] * total)
    assert min(cap, total) <= held <= max(min(cap, total) * (1 + 1e-12), min(cap, total) + 1)


class _Holds:
    """A device's module, of which a share can be asked for."""

    def __init__(self, shares: list[float]) -> None:
        self.set_per_process_memory_fraction = lambda share, *device: shares.append(share)


def test_under_a_cap_nothing_above_it_is_kept_for_later(soft_device: Soft) -> None:
    big = torch.empty(2**22, device=soft())
    del big
    assert soft_device.memory_reserved(0) >= 2**24
    with held_to(soft(), 2**20):
        assert soft_device.memory_reserved(0) <= 2**20
        fits = torch.empty(2**18, device=soft())
        with pytest.raises(torch.OutOfMemoryError):
            torch.empty(2**18, device=soft())
        del fits
    torch.empty(2**22, device=soft())


def test_a_stage_whose_stream_was_broken_off_streams_the_next_time(
    soft_device: Soft, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one that was held whole before lets go of its master, and is whole again after."""
    live = cascade(tmp_path, placement="one-at-a-time")
    due = live.sample(PROMPTS, seed=1, until="base").x
    pipeline: Any = live.stages["base"]
    held = pipeline.held
    assert held.master is not None

    def refuse(*_: object) -> None:
        raise torch.OutOfMemoryError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(held.pipe.vae, "to", refuse)
        with pytest.raises(torch.OutOfMemoryError):
            held.stream(soft(), PROMPTS)
    assert not held.streams
    held.stream(soft(), PROMPTS)
    assert (held.streams, held.master) == (True, None)
    assert {x.device.type for x in held.pipe.vae.parameters()} == {"soft"}
    held.evict()
    assert not held.streams
    assert (live.sample(PROMPTS, seed=1, until="base").x - due).abs().max() <= 1e-5
