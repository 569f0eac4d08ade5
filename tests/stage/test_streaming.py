"""Networks whose weights come block by block: the same answers, one layer a block, and the order that is followed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.hooks.group_offloading import ModuleGroup
from own_memory import ASIDE, give_memory_of_its_own, stream_aside
from torch import nn

from dynaxx import Cascade
from dynaxx.engine.runtime import Runtime
from dynaxx.spec.files import parse
from dynaxx.stage.blocks import Layer
from dynaxx.stage.mapped import Mapped
from dynaxx.stage.streaming import follow_blocks, groups_of, stop_streaming, stream_blocks
from dynaxx.stage.unet import CascadeUNet

NETWORK = {"width": 8, "mults": [1, 2], "attention": [1], "head_dim": 8, "blocks": 2}
OURS = {
    "name": "ours", "stages": [
        {"name": "base", "role": "base", "network": NETWORK, "solver": {"steps": 3}, "out": {"size": [8, 8]}},
        {"name": "up", "role": "bridge", "kind": "regression", "network": NETWORK, "from": "base", "out": {"scale": 2}},
    ],
}  # fmt: skip


def unet(**given: Any) -> CascadeUNet:
    torch.manual_seed(0)
    found = CascadeUNet(**{**NETWORK, **given}).eval()
    for p in found.parameters():
        nn.init.normal_(p, std=0.1)
    return found


X, LEVEL = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1)), torch.tensor([0.2, 0.7])


@torch.no_grad()
def test_streamed_blocks_answer_as_a_whole_network_does() -> None:
    network = unet()
    whole = network(X, LEVEL)
    stream_blocks(network, ASIDE)
    assert [torch.equal(network(X, LEVEL), whole) for _ in range(2)] == [True, True]
    stop_streaming(network)
    assert torch.equal(network(X, LEVEL), whole)
    assert not any(hasattr(part, "_diffusers_hook") and part._diffusers_hook.hooks for part in network.modules())


def held_by(group: Any) -> list[nn.Parameter]:
    """The weights of a group, which names some of them twice."""
    return list(dict.fromkeys([*(p for part in group.modules for p in part.parameters()), *group.parameters]))


def test_every_layer_is_a_block_of_its_own() -> None:
    network = unet()
    stream_blocks(network, ASIDE)
    blocks = [list(group.modules) for group in groups_of(network)]
    layers = {id(part) for part in network.modules() if isinstance(part, Layer)}
    assert {id(one[0]) for one in blocks if len(one) == 1} >= layers
    every = [p for group in groups_of(network) for p in held_by(group)]
    assert sorted(map(id, every)) == sorted(map(id, network.parameters())), "each weight is in one block"


@torch.no_grad()
def test_what_is_followed_is_what_is_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Block by block, in three evaluations, the order and the bytes of diffusers' own hooks with reading ahead."""
    give_memory_of_its_own(monkeypatch)
    real, told = list[tuple[int, int]](), list[tuple[int, int]]()
    network = unet()
    stream_aside(network)

    def noted(sign: int, move: Any) -> Any:
        def moved(group: ModuleGroup) -> None:
            real.append((sign, sum(p.numel() * 4 for p in held_by(group))))
            move(group)

        return moved

    with torch.device("meta"):
        bare = CascadeUNet(**NETWORK).eval()
    follow_blocks(bare, lambda sizes, sign: told.append((sign, sum(sizes))))
    monkeypatch.setattr(ModuleGroup, "onload_", noted(1, ModuleGroup.onload_))
    monkeypatch.setattr(ModuleGroup, "offload_", noted(-1, ModuleGroup.offload_))
    for _ in range(3):
        network(X, LEVEL)
        bare(X.to("meta"), LEVEL.to("meta"))
    assert told == real
    assert sum(sign * size for sign, size in told) == 0


def test_our_stages_are_streamed_to_a_device_with_memory_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Cascade.from_spec(parse(OURS), fresh=True).save_pretrained(tmp_path / "ours")
    whole = Cascade.from_pretrained(folder).sample(num=2).x
    give_memory_of_its_own(monkeypatch)
    live = Cascade.from_pretrained(folder, runtime=Runtime(device="cpu", memory_cap=1000))
    for _ in range(2):
        samples = live.sample(num=2)
        assert torch.equal(samples.x, whole)
        assert [event.event for event in samples.trace.events if "base" in event.event] == [
            "stream base", "run base", "evict base", "release base",
        ]  # fmt: skip
        for stage in live.stages.values():
            assert isinstance(stage, Mapped)
            assert {x.device.type for x in stage.network.state_dict().values()} == {"meta"}


def test_a_cpu_maps_the_file_and_moves_nothing(tmp_path: Path) -> None:
    folder = Cascade.from_spec(parse(OURS), fresh=True).save_pretrained(tmp_path / "ours")
    stage = Cascade.from_pretrained(folder, runtime=Runtime(device="cpu", memory_cap=1000)).stages["base"]
    assert isinstance(stage, Mapped)
    stage.stream(torch.device("cpu"), ())
    assert stage.holds(torch.device("cpu"))
    assert list(groups_of(stage.network)) == []
