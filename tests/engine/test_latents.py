"""Edges between spaces, step by step against the codec itself; decoded samples; folders that hold their codecs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, final

import pytest
import torch
from tiny_codecs import saved
from torch import Tensor

from dynaxx.engine.cascade import Cascade
from dynaxx.engine.runtime import Runtime
from dynaxx.engine.samples import Samples
from dynaxx.errors import RunError, SpecError
from dynaxx.signal.random import Draws
from dynaxx.signal.resample import resample
from dynaxx.spec.files import load, parse
from dynaxx.spec.grid import Grid
from dynaxx.spec.stage import CustomStage
from dynaxx.stage.codec import Codec
from dynaxx.stage.stage import Request

LATENT, OTHER = {"channels": 4, "space": "vae"}, {"channels": 3, "space": "other"}
KERNEL = "bicubic-antialias"


@final
class Echo:
    """A stage that answers with its low input."""

    def __init__(self, spec: CustomStage, grid: Grid) -> None:
        self.spec = spec

    def run(self, request: Request) -> Tensor:
        return request.inputs["low"].x

    def to(self, device: torch.device) -> None:
        pass


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two autoencoders of factor 2."""
    folder = tmp_path_factory.mktemp("codecs")
    saved("kl", folder / "vae")
    saved("tiny", folder / "other")
    return folder


def cascade(
    root: Path, first: dict[str, Any], second: dict[str, Any], runtime: Runtime | None = None, **edge: Any
) -> Cascade:
    """Waves in one space, echoed in another."""
    channels = first.get("channels", 3)
    codecs = {"vae": {"load": "vae", "factor": 2}, "other": {"load": "other", "factor": 2, "channels": 3}}
    codecs["vae"] |= edge.pop("vae", {})
    used = {out.get("space") for out in (first, second)}
    base = {"name": "base", "role": "base", "kind": "gaussian", "size": [32, 32], "solver": {"steps": 2}}
    echo = {"name": "echo", "role": "bridge", "kind": "custom", "target": "test_latents:Echo", "out": second}
    stages = [base | {"out": first | {"channels": channels}}, echo | {"inputs": {"low": {"from": "base"} | edge}}]
    spec = parse({"name": "x", "codecs": {k: v for k, v in codecs.items() if k in used}, "stages": stages})
    return Cascade.from_spec(spec, root=root, runtime=runtime or Runtime())


def drawn(cascade: Cascade, **more: Any) -> Samples:
    return cascade.sample(num=2, seed=3, keep=True, **more)


def codec(cascade: Cascade, name: str = "vae") -> Codec:
    return cascade.codecs.of(name)


def test_latents_are_decoded_for_a_stage_in_pixels(root: Path) -> None:
    waves = cascade(root, LATENT | {"size": [8, 8]}, {"scale": 2})
    samples = drawn(waves)
    wanted = resample(codec(waves).decode(samples.stages["base"]), (32, 32), KERNEL)
    torch.testing.assert_close(samples.x, wanted)
    assert samples.space == "pixels"
    assert samples.trace.nodes[1].paths == {"low": ("vae", "pixels", "pixels")}
    assert "fetch-codec vae" in [event.event for event in samples.trace.events]


def test_pixels_are_resized_and_then_encoded(root: Path) -> None:
    waves = cascade(root, {"size": [8, 8]}, LATENT | {"scale": 2})
    samples = drawn(waves)
    wanted = codec(waves).encode(resample(samples.stages["base"], (16, 16), KERNEL))
    torch.testing.assert_close(samples.x, wanted)
    assert samples.trace.nodes[1].paths == {"low": ("pixels", "pixels", "vae")}


def test_or_encoded_and_then_resized(root: Path) -> None:
    waves = cascade(root, {"size": [8, 8]}, LATENT | {"scale": 2}, resize_in="latents")
    samples = drawn(waves)
    torch.testing.assert_close(samples.x, resample(codec(waves).encode(samples.stages["base"]), (8, 8), KERNEL))


def test_latents_of_one_codec_need_no_codec(tmp_path: Path) -> None:
    waves = cascade(tmp_path, LATENT | {"size": [8, 8]}, LATENT | {"scale": 2})
    samples = drawn(waves)
    torch.testing.assert_close(samples.x, resample(samples.stages["base"], (16, 16), KERNEL))
    assert samples.space == "vae"
    assert samples.trace.nodes[1].paths == {}


def test_latents_may_be_resized_as_pixels(root: Path) -> None:
    waves = cascade(root, LATENT | {"size": [8, 8]}, LATENT | {"scale": 2}, resize_in="pixels")
    samples = drawn(waves)
    vae = codec(waves)
    wanted = vae.encode(resample(vae.decode(samples.stages["base"]), (32, 32), KERNEL))
    torch.testing.assert_close(samples.x, wanted)


def test_from_one_codec_to_another(root: Path) -> None:
    waves = cascade(root, LATENT | {"size": [8, 8]}, OTHER)
    samples = drawn(waves)
    torch.testing.assert_close(samples.x, codec(waves, "other").encode(codec(waves).decode(samples.stages["base"])))
    assert samples.trace.nodes[1].paths == {"low": ("vae", "pixels", "other")}


@pytest.mark.parametrize("at", ["low", "high"])
def test_noise_at_low_is_put_on_pixels_and_at_high_on_latents(root: Path, at: str) -> None:
    noise = {"std": 0.5, "at": at}
    waves = cascade(root, {"size": [8, 8]}, LATENT | {"scale": 2}, noise=noise)
    samples, vae = drawn(waves), codec(waves)
    low = samples.stages["base"]
    eps = Draws(3, "echo.low", (0, 1)).normal("augment", (3, 8, 8) if at == "low" else (4, 8, 8))
    low = low + 0.5 * eps if at == "low" else low
    latents = vae.encode(resample(low, (16, 16), KERNEL))
    torch.testing.assert_close(samples.x, latents if at == "low" else latents + 0.5 * eps)


def test_several_parents_meet_in_pixels(root: Path) -> None:
    spec = {
        "name": "x", "codecs": {"vae": {"load": "vae", "factor": 2}},
        "stages": [
            {"name": "a", "role": "base", "kind": "gaussian", "size": [16, 16], "out": LATENT | {"size": [8, 8]}},
            {"name": "b", "role": "base", "kind": "gaussian", "size": [16, 16], "out": {"size": [16, 16]}},
            {"name": "echo", "role": "bridge", "kind": "custom", "target": "test_latents:Echo", "out": LATENT,
             "from": ["a", "b"], "merge": "mean"},
        ],
    }  # fmt: skip
    both = Cascade.from_spec(parse(spec), root=root)
    samples, vae = drawn(both), codec(both)
    mean = (vae.decode(samples.stages["a"]) + samples.stages["b"]) / 2
    torch.testing.assert_close(samples.x, vae.encode(mean))


def test_denoising_among_latents_may_begin_at_a_picture(root: Path) -> None:
    """At a vanishing level it ends where it began."""
    spec = {
        "name": "x", "codecs": {"vae": {"load": "vae", "factor": 2}},
        "inputs": {"image": {"size": [16, 16]}},
        "stages": [
            {"name": "again", "role": "refine", "network": {"width": 8, "mults": [1], "attention": []}, "out": LATENT,
             "inputs": {"low": {"from": "input.image", "via": "start", "noise": {"std": 1e-3}}},
             "solver": {"steps": 2}},
        ],
    }  # fmt: skip
    again = Cascade.from_spec(parse(spec), root=root, fresh=True)
    x = Draws(0, "x", (0, 1)).normal("x", (3, 16, 16)).clamp(-1, 1)
    drawn = again.sample(num=2, given={"input.image": x}).x
    assert (drawn - codec(again).encode(x)).abs().max() < 0.01


def test_a_run_can_be_asked_to_decode(root: Path) -> None:
    waves = cascade(root, LATENT | {"size": [8, 8]}, LATENT | {"scale": 2})
    latents, samples = drawn(waves), drawn(waves, decode=True)
    torch.testing.assert_close(samples.x, codec(waves).decode(latents.x))
    assert (samples.space, latents.space) == ("pixels", "vae")
    for name in ("base", "echo"):
        assert torch.equal(samples.stages[name], latents.stages[name])
        torch.testing.assert_close(samples.decoded[name], codec(waves).decode(latents.stages[name]))
    told = [event.event for event in samples.trace.events]
    assert told.index("run base") < told.index("decode base") < told.index("decode echo")
    assert set(waves.sample(decode=True).decoded) == set()


@pytest.mark.parametrize("posterior", ["mean", "sample"])
def test_a_sample_is_the_same_in_any_batch_and_placement(root: Path, posterior: str) -> None:
    ends = {"size": [8, 8]}, LATENT | {"scale": 2}
    said = {"posterior": posterior}
    whole = cascade(root, *ends, vae=said).sample(num=3, decode=True)
    moving = Runtime(batch_size=2, placement="one-at-a-time")
    parts = cascade(root, *ends, moving, vae=said).sample(num=3, decode=True)
    torch.testing.assert_close(parts.x, whole.x)
    assert "evict-codec vae" in [event.event for event in parts.trace.events]
    spread = Runtime(batch_size=2, device="cpu", spread={"base": ("cpu",), "echo": ("cpu",)})
    torch.testing.assert_close(cascade(root, *ends, spread, vae=said).sample(num=3, decode=True).x, whole.x)


def test_a_missing_codec_is_told_before_anything_is_drawn(tmp_path: Path) -> None:
    waves, steps = cascade(tmp_path, LATENT | {"size": [8, 8]}, LATENT | {"scale": 2}), []
    with pytest.raises(RunError, match=r"codecs.vae.load: 'vae' is no folder"):
        waves.sample(decode=True, on_step=lambda name, step: steps.append(name))
    assert steps == []


def test_so_is_one_that_does_not_fit(root: Path) -> None:
    with pytest.raises(SpecError, match=r"codecs.vae.factor: AutoencoderKL encodes 3x32x32 to 4x16x16, not to 4x8x8"):
        cascade(root, LATENT | {"size": [8, 8]}, {}, vae={"factor": 4}).sample()


def test_a_saved_cascade_holds_its_codecs(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "from")
    waves = cascade(tmp_path / "from", LATENT | {"size": [8, 8]}, {"scale": 2})
    drawn = waves.sample(seed=4).x
    waves.save_pretrained(tmp_path / "saved")
    shutil.rmtree(tmp_path / "from")
    own = load(tmp_path / "saved").codecs["vae"]
    assert (own.load, own.id, own.scale, own.shift) == ("codecs/vae", codec(waves).spec.id, 0.7, 0.2)
    assert torch.equal(Cascade.from_pretrained(tmp_path / "saved").sample(seed=4).x, drawn)
    shutil.rmtree(tmp_path / "saved/codecs/vae")
    shutil.copytree(root / "other", tmp_path / "saved/codecs/vae")
    with pytest.raises(SpecError, match=f"codecs.vae.id: is {own.id}, but the autoencoder in .* is "):
        Cascade.from_pretrained(tmp_path / "saved").sample()
