"""Answers kept from step to step: none at a threshold of nothing, fewer evaluations at a large one, and no walk
begins with those of another.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from family_cascades import WAN
from tiny_pipelines import saved

from dynaxx import Cascade
from dynaxx.errors import SpecError
from dynaxx.spec.files import parse
from dynaxx.spec.identity import run_id

LTX: dict[str, Any] = {
    "name": "base", "role": "base", "kind": "pipeline", "load": "ltx-deep", "call": {"num_inference_steps": 6},
    "out": {"channels": 8, "size": [2, 8, 8], "space": "ltx"},
}  # fmt: skip


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import diffusers
    import tiny_pipelines as tiny

    root = tmp_path_factory.mktemp("cached")
    torch.manual_seed(1)
    network = type(tiny.ltx_transformer())(**dict(tiny.ltx_transformer().config) | {"num_layers": 3})
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler()
    parts = (scheduler, tiny.ltx_vae(), tiny.t5(), tiny.tokenizer(), network)
    diffusers.LTXPipeline(*parts).save_pretrained(root / "ltx-deep")
    return root


def spec(threshold: float | None) -> Any:
    codecs = {"ltx": {"load": "ltx-deep/vae", "channels": 8}}
    stage = LTX | ({"cache": {"threshold": threshold}} if threshold else {})
    return parse({"name": "x", "condition": {"text": {}}, "codecs": codecs, "stages": [stage]})


def drawn(zoo: Path, threshold: float | None) -> tuple[torch.Tensor, int]:
    """Latents, and how often the last block was evaluated."""
    live, count = Cascade.from_spec(spec(threshold), root=zoo), [0]
    live.sample("a red apple", seed=1)
    last = live.stages["base"].pipe.transformer.transformer_blocks[-1]

    def counted(*_: Any) -> None:
        count[0] += 1

    last.attn1.register_forward_hook(counted)
    return live.sample("a red apple", seed=1).x, count[0]


def test_fewer_evaluations_the_larger_the_threshold(zoo: Path) -> None:
    exact, every = drawn(zoo, None)
    same, none_kept = drawn(zoo, 1e-6)
    near, fewer = drawn(zoo, 0.99)
    assert torch.equal(same, exact)
    assert none_kept == every == 6
    assert fewer < 6
    assert 0 < (near - exact).abs().max() < exact.std()


def test_it_is_part_of_what_a_sample_is() -> None:
    assert len({run_id(spec(threshold)) for threshold in (None, 0.05, 0.1)}) == 3


def test_a_walk_that_is_left_early_leaves_nothing_behind(tmp_path: Path) -> None:
    saved("wan", tmp_path)
    file = tmp_path / "cascade.yaml"
    file.write_text(WAN.replace("load: wan, call", "load: wan, cache: {threshold: 0.5}, call"))
    live = Cascade.from_pretrained(file)
    first = live.sample("a red apple", seed=1, keep=True)
    assert torch.equal(live.sample("a red apple", seed=1, keep=True).stages["high"], first.stages["high"])


def test_a_network_that_cannot_is_named(tmp_path: Path) -> None:
    saved("sd", tmp_path)
    stage = {"name": "base", "role": "base", "kind": "pipeline", "load": "sd", "cache": {}, "out": {"size": [16, 16]}}
    live = Cascade.from_spec(parse({"name": "x", "condition": {"text": {}}, "stages": [stage]}), root=tmp_path)
    with pytest.raises(SpecError, match=r"cache: keeps answers of a transformer's blocks, and StableDiffusionPipeline"):
        live.sample("a red apple")
