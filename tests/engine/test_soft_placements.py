"""Cascades on the device in software: the CPU's samples, one stage's memory, caps kept to, blocks, two devices."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from soft_cascades import build_ours, build_pipelines, long, ours, pipelines
from torch import Tensor

from dynaxx import Cascade
from dynaxx.engine.move import weights_bytes
from dynaxx.stage.pinned import Pinned
from soft_device.module import Soft

Opened = Callable[..., Cascade]
ENOUGH = 1.26
"""A cap over the largest stage's weights, of which a fifth is left to workings."""
WORKINGS = 1.1
"""What a run of one sample may hold, over the largest stage's weights."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("soft")
    build_pipelines(folder)
    build_ours(folder)
    return folder


def sampled(live: Cascade, num: int = 1) -> Any:
    return live.sample(None if live.spec.name == "ours" else "a red apple", num=num, seed=1)


@cache
def alone(opened: Opened, root: Path, num: int = 1) -> Tensor:
    """The CPU's samples."""
    return sampled(opened(root, device="cpu"), num).x  # type: ignore[no-any-return]


def largest(live: Cascade) -> int:
    return max(size or 0 for size in weights_bytes(live.stages).values())


def close(x: Tensor, due: Tensor) -> None:
    assert x.isfinite().all()
    assert (x.cpu() - due).abs().max() <= 1e-4


@pytest.mark.parametrize("opened", [pipelines, ours])
def test_one_stage_at_a_time_is_the_same_and_holds_one(root: Path, soft_device: Soft, opened: Opened) -> None:
    resident = sampled(opened(root, device="soft"))
    close(resident.x, alone(opened, root))
    whole = soft_device.most()
    live = opened(root, device="soft", placement="one-at-a-time", memory_cap=int(ENOUGH * largest(opened(root))))
    soft_device.most(anew=True)
    for _ in range(2):  # with and without masters that are there
        found = sampled(live)
        assert torch.equal(found.x.cpu(), resident.x.cpu())
    assert [event.event for event in found.trace.events if event.event.startswith(("fetch", "ahead"))] == [
        "fetch base", "ahead up", "fetch up", "ahead top", "fetch top"
    ]  # fmt: skip
    share = soft_device.most() / largest(live)
    print(f"{opened.__name__}: at most {share:.3f} of the largest stage, {whole / largest(live):.3f} where all stay")
    assert share <= WORKINGS
    assert whole > 1.5 * largest(live), "the figure sees weights that are held"


def test_weights_come_ahead_where_there_is_room(root: Path, soft_device: Soft) -> None:
    """The next stage's are there, or on their way, while one works; samples are the same."""
    live = pipelines(root, device="soft", placement="one-at-a-time")
    first = sampled(live).x.cpu()
    soft_device.most(anew=True)
    assert torch.equal(sampled(live).x.cpu(), first)
    sizes = [size or 0 for size in weights_bytes(live.stages).values()]
    assert soft_device.most() >= sizes[0] + sizes[1]
    close(first, alone(pipelines, root))


@pytest.mark.parametrize(("opened", "num"), [(pipelines, 4), (ours, 12)])
def test_a_batch_beyond_the_cap_is_halved(root: Path, soft_device: Soft, opened: Opened, num: int) -> None:
    cap = int(ENOUGH * largest(opened(root)))
    found = sampled(opened(root, device="soft", memory_cap=cap), num)
    assert soft_device.most() <= cap
    assert min(node.batch_size for node in found.trace.nodes) < num
    close(found.x, alone(opened, root, num))
    assert soft_device.get_per_process_memory_fraction() == 1, "and the device is as it was"


@pytest.mark.parametrize(("opened", "name", "share"), [(long, "base", 0.6), (ours, "up", 0.8)])
def test_a_stage_larger_than_the_memory_comes_block_by_block(
    root: Path, soft_device: Soft, opened: Opened, name: str, share: float
) -> None:
    cap = int(share * largest(opened(root)))
    live = opened(root, device="soft", memory_cap=cap)
    for _ in range(2):
        found = sampled(live)
        assert f"stream {name}" in [event.event for event in found.trace.events]
        close(found.x, alone(opened, root))
    assert soft_device.most() <= cap


@pytest.mark.parametrize("opened", [pipelines, ours])
def test_stages_on_two_devices_with_a_replica(root: Path, soft_device: Soft, opened: Opened) -> None:
    spread = {"base": ("soft:0",), "up": ("soft:1", "soft:0"), "top": ("soft:1",)}
    live = opened(root, spread=spread, batch_size=1)
    for _ in range(2):
        found = sampled(live, 4)
        close(found.x, alone(opened, root, 4))
    assert set(found.trace.nodes[1].by_device) == {"soft:0", "soft:1"}
    assert found.x.device.type == "cpu"


def test_a_wait_that_is_forgotten_is_seen(root: Path, soft_device: Soft, monkeypatch: pytest.MonkeyPatch) -> None:
    """The device catches what a GPU shows now and then: weights that are used before they are there."""
    monkeypatch.setattr(Pinned, "_wait", lambda self, device: None)
    found = sampled(pipelines(root, device="soft", placement="one-at-a-time")).x
    assert found.isnan().all()
    with pytest.raises(RuntimeError, match="still on its way"):
        soft_device.synchronize()
    assert soft_device.give_up() > 0
