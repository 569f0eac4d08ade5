"""Noise that is drawn ahead is what would be drawn in its turn, whatever generators are asked for between."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from hypothesis import given
from hypothesis import strategies as st
from tiny_pipelines import saved

from dynaxx import Cascade
from dynaxx.engine.runtime import Runtime
from dynaxx.spec.files import parse
from dynaxx.stage.pipeline import drawn
from dynaxx.stage.pipeline.drawn import Ahead, drawing_ahead

if TYPE_CHECKING:
    from soft_device.module import Soft

SHAPES = [(1, 3, 8, 8), (1, 3, 4, 4), (17,)]
ASKED = st.lists(
    st.tuples(
        st.integers(0, 1), st.sampled_from(SHAPES), st.sampled_from([torch.float32, torch.bfloat16]), st.booleans()
    ),
    max_size=12,
)


def generators() -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in (1, 2)]


@given(ASKED)
def test_the_numbers_are_the_generators_own(asked: list[tuple[int, tuple[int, ...], torch.dtype, bool]]) -> None:
    mine, theirs = generators(), generators()
    with ThreadPoolExecutor(1) as pool:
        ahead = Ahead(mine, pool)
        for which, shape, dtype, inside in asked:
            due = torch.randn(shape, generator=theirs[which], dtype=dtype)
            if inside:
                with ahead:
                    found = torch.randn(shape, generator=mine[which], dtype=dtype)
            else:
                found = torch.randn(shape, generator=mine[which], dtype=dtype)
            assert torch.equal(found, due)
            assert torch.equal(mine[which].get_state(), theirs[which].get_state())


def test_what_is_asked_for_again_was_drawn() -> None:
    mine, other = generators(), torch.Generator().manual_seed(3)
    with ThreadPoolExecutor(1) as pool, Ahead(mine, pool) as ahead:
        for _ in range(4):
            for one in [*mine, other]:
                torch.randn(2, 3, generator=one)
            torch.randn(2, 3)
    assert ahead.right == 2 * 3, "the first is nobody's guess, and others' generators are left alone"


@pytest.mark.parametrize(("kind", "right"), [(DDPMScheduler, 2 * 3), (DDIMScheduler, 0)])
def test_a_scheduler_finds_its_noise_drawn(kind: Any, right: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawn, "apart", lambda device: True)
    found = []
    for ahead in (False, True):
        scheduler, mine, x = kind(), generators(), torch.zeros(2, 3, 8, 8)
        scheduler.set_timesteps(5)
        with drawing_ahead(scheduler if ahead else None, mine, torch.device("cpu")) as seen:
            for t in scheduler.timesteps:
                x = scheduler.step(x + 1, t, x, generator=mine).prev_sample
        assert "step" not in vars(scheduler)
        assert (seen.right if seen else 0) == (right if ahead else 0)
        found.append(x)
    assert torch.equal(*found)


def test_nothing_is_drawn_ahead_where_the_work_is_the_cpus() -> None:
    scheduler = DDPMScheduler()
    with drawing_ahead(scheduler, generators(), torch.device("cpu")) as ahead:
        assert ahead is None
        assert "step" not in vars(scheduler)


def test_a_pipeline_on_a_device_finds_its_noise_drawn(
    soft_device: Soft, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved("if-1", tmp_path)
    stage = {"name": "base", "role": "base", "kind": "pipeline", "load": "if-1", "out": {"size": [16, 16]}}
    stage |= {"call": {"num_inference_steps": 4}}
    spec = parse({"name": "x", "condition": {"text": {}}, "stages": [stage]})
    made: list[Ahead] = []

    class Watched(Ahead):  # type: ignore[misc]
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            made.append(self)

    monkeypatch.setattr(drawn, "Ahead", Watched)
    prompts = ["a red apple", "a green pear"]
    found, due = (
        Cascade.from_spec(spec, root=tmp_path, runtime=Runtime(device=device)).sample(prompts, seed=1).x.cpu()
        for device in ("soft:0", "cpu")
    )
    assert torch.allclose(found, due, atol=1e-4)
    assert [ahead.right for ahead in made] == [2 * 2], "three steps add noise"
