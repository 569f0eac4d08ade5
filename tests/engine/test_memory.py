"""Placements change no sample; memory is given back; a batch that does not fit is halved."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_pipelines import saved

from dynaxx import Cascade
from dynaxx.engine.move import weights_bytes
from dynaxx.engine.runtime import Runtime
from dynaxx.errors import RunError
from dynaxx.spec.files import parse
from dynaxx.stage.mapped import Mapped
from dynaxx.stage.pipeline.wrapped import Wrapped
from dynaxx.stage.stage import Request

LARGE = Path(__file__).with_name("large_stages.py")
OWN = ("four", "five")
"""Of the large stages, those that are no pipelines."""
NETWORK = {"width": 8, "mults": [1, 2], "attention": [1], "head_dim": 8, "blocks": 1}
OURS = {
    "name": "ours", "stages": [
        {"name": "base", "role": "base", "network": NETWORK, "solver": {"steps": 2}, "out": {"size": [8, 8]}},
        {"name": "up", "role": "bridge", "kind": "regression", "network": NETWORK, "from": "base", "out": {"scale": 2}},
    ],
}  # fmt: skip


def test_our_own_weights_are_mapped_only_while_they_are_needed(tmp_path: Path) -> None:
    folder = Cascade.from_spec(parse(OURS), fresh=True).save_pretrained(tmp_path / "ours")
    whole = Cascade.from_pretrained(folder)
    frugal = Cascade.from_pretrained(folder, runtime=Runtime(placement="one-at-a-time"))
    assert torch.equal(frugal.sample(num=2).x, whole.sample(num=2).x)
    for stage in frugal.stages.values():
        assert isinstance(stage, Mapped)
        assert {x.device.type for x in stage.network.state_dict().values()} == {"meta"}
    again = frugal.save_pretrained(tmp_path / "again")
    assert torch.equal(Cascade.from_pretrained(again).sample(num=2).x, whole.sample(num=2).x)
    held = weights_bytes(whole.stages)
    files = weights_bytes(frugal.stages)
    assert all(0 <= (files[name] or 0) - (held[name] or 0) < 20_000 for name in held), "the file is its header longer"


def test_weights_that_are_there_are_not_counted_as_moved(tmp_path: Path) -> None:
    folder = Cascade.from_spec(parse(OURS), fresh=True).save_pretrained(tmp_path / "ours")
    saved("sd", tmp_path)
    stage = {"name": "base", "role": "base", "kind": "pipeline", "load": "sd", "call": {"num_inference_steps": 2}}
    spec = parse({"name": "x", "condition": {"text": {}}, "stages": [stage | {"out": {"size": [16, 16]}}]})
    cases = {
        "resident": (Cascade.from_spec(spec, root=tmp_path), 0),
        "one-at-a-time": (Cascade.from_spec(spec, root=tmp_path, runtime=Runtime(placement="one-at-a-time")), 1),
        "ours": (Cascade.from_pretrained(folder, runtime=Runtime(placement="one-at-a-time")), 2),
        "ours, in memory": (Cascade.from_pretrained(folder), 0),
    }
    for name, (live, again) in cases.items():
        prompt = None if "ours" in name else "a red apple"
        first, second = (
            [event.weights_bytes for event in live.sample(prompt).trace.events if event.event.startswith("fetch ")]
            for _ in range(2)
        )
        assert all(first) == (name != "ours, in memory"), name
        assert sum(map(bool, second)) == again, name


def test_weights_go_with_their_stage_whoever_holds_the_pipeline(tmp_path: Path) -> None:
    saved("sd", tmp_path)
    stage = {"name": "base", "role": "base", "kind": "pipeline", "load": "sd", "call": {"num_inference_steps": 2}}
    spec = parse({"name": "x", "condition": {"text": {}}, "stages": [stage | {"out": {"size": [16, 16]}}]})
    live = Cascade.from_spec(spec, root=tmp_path)
    first, wrapped = live.sample("a red apple").x, live.stages["base"]
    assert isinstance(wrapped, Wrapped)
    pipe = wrapped.pipe
    wrapped.evict()
    assert sum(x.numel() for part in (pipe.unet, pipe.vae) for x in part.parameters()) == 0
    assert torch.equal(live.sample("a red apple").x, first)


def test_streamed_blocks_give_the_same_sample(tmp_path: Path) -> None:
    saved("sd", tmp_path)
    stage = {"name": "base", "role": "base", "kind": "pipeline", "load": "sd", "call": {"num_inference_steps": 2}}
    spec = parse({"name": "x", "condition": {"text": {}}, "stages": [stage | {"out": {"size": [16, 16]}}]})
    whole = Cascade.from_spec(spec, root=tmp_path)
    (size,) = weights_bytes(whole.stages).values()
    assert size is not None
    capped = Cascade.from_spec(spec, root=tmp_path, runtime=Runtime(memory_cap=f"{size // 2}B"))
    samples = capped.sample("a red apple")
    assert [event.event for event in samples.trace.events] == ["encode", "stream base", "run base", "evict base"]
    assert samples.trace.events[1].weights_bytes == size
    assert 0 < samples.trace.lost_s < sum(event.latency_s for event in samples.trace.events)
    assert (samples.x - whole.sample("a red apple").x).abs().max() <= 1e-5
    held = sum(x.numel() * 4 for part in ("unet", "vae") for x in getattr(whole.stages["base"].pipe, part).parameters())
    assert size == held


class Hungry:
    """A stage that takes three samples at once and no more."""

    def __init__(self, spec: Any, grid: Any) -> None:
        self.most = spec.options["most"]

    def run(self, request: Request) -> torch.Tensor:
        if len(request.draws.ids) > self.most:
            raise torch.OutOfMemoryError("out of memory")
        return request.draws.normal("x", request.grid.shape)

    def to(self, device: torch.device) -> None:
        """It holds nothing."""


def hungry(most: int) -> Cascade:
    stage = {
        "name": "base",
        "role": "base",
        "kind": "custom",
        "target": "test_memory:Hungry",
        "options": {"most": most},
    }
    return Cascade.from_spec(parse({"name": "x", "stages": [stage | {"out": {"size": [4, 4]}}]}))


def test_a_batch_that_does_not_fit_is_halved() -> None:
    samples = hungry(3).sample(num=10, keep=True)
    assert samples.trace.nodes[0].batch_size == 3
    assert torch.equal(samples.x, hungry(100).sample(num=10).x)


def test_a_single_sample_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(RunError, match="memory"):
        hungry(0).sample(num=2)


def process(*words: str) -> str:
    done = subprocess.run([sys.executable, str(LARGE), *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the resident set from /proc")
@pytest.mark.parametrize("count", [3, 4, 5])
def test_one_at_a_time_holds_one_stage(tmp_path: Path, count: int) -> None:
    process("build", str(tmp_path), str(count), "320")
    apart, together = (json.loads(process(way, str(tmp_path), str(count))) for way in ("one-at-a-time", "resident"))
    sizes = apart["weights"].values()
    assert len(sizes) == count
    assert min(sizes) >= 300e6
    grew = dict(zip(apart["events"], apart["grew"], strict=True))
    for name, size in apart["weights"].items():
        if name not in OWN:  # ours are looked through as they are fetched: no number may be infinite
            assert grew[f"fetch {name}"] < 0.2 * size, "mapped, and touched as they run"
        assert grew[f"fetch {name}"] + grew[f"run {name}"] > 0.7 * size
        assert grew[f"evict {name}"] < -0.7 * size, "let go of after"
    print(
        f"{count} stages: {apart['peak'] / max(sizes):.3f} of the largest, {together['peak'] / sum(sizes):.3f} of all"
    )
    assert apart["peak"] <= 1.1 * max(sizes), apart
    assert together["peak"] >= 0.9 * sum(sizes), "the figure sees weights that are held"
    assert torch.equal(torch.load(tmp_path / "one-at-a-time.pt"), torch.load(tmp_path / "resident.pt"))
