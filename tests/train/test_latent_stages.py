"""Stages among latents are trained: on what they will receive, once per codec, into a folder of their own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny import NETWORK, RATE, Given
from tiny_codecs import saved, shapes, trained_on_shapes
from torch import Tensor

from dynaxx.engine.cascade import Cascade
from dynaxx.errors import RunError, SpecError
from dynaxx.signal.resample import resample
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.files import load, loads
from dynaxx.spec.graph import nodes
from dynaxx.spec.override import override
from dynaxx.stage.codec import Codec
from dynaxx.stage.codecs import Codecs
from dynaxx.train import Every, carried, train
from dynaxx.train.material import Material, gather
from dynaxx.train.pairs import Batch, Pairs

TRAIN = f"train: {{steps: 40, batch_size: 16, {RATE}}}"
TEXT = f"""
name: latent
codecs: {{vae: {{load: vae, factor: 2}}}}
data: {{kind: shapes, count: 24, size: [16, 16]}}
stages:
  - {{name: base, role: base, {NETWORK}, {TRAIN}, solver: {{steps: 4}}, out: {{channels: 4, size: [4, 4], space: vae}}}}
  - name: bridge
    role: bridge
    inputs: {{low: {{from: base}}}}
    {NETWORK}
    {TRAIN}
    solver: {{steps: 4}}
    out: {{channels: 4, scale: 2, space: vae}}
  - {{name: refine, role: refine, from: bridge, {NETWORK}, {TRAIN}, process: {{kind: truncated}}, solver: {{steps: 3}}}}
"""
KERNEL = "bicubic-antialias"
WEIGHTS = "diffusion_pytorch_model.safetensors"


def latent(**settings: object) -> CascadeSpec:
    """A base and a bridge among latents, and a refine stage in pixels."""
    return override(loads(TEXT), {path.replace("__", "."): value for path, value in settings.items()})


def two_stages(**settings: object) -> CascadeSpec:
    """A base among latents, and a refine stage in pixels that reads it."""
    spec = latent(base__out__size=[8, 8], refine__inputs={"low": {"from": "base"}}, **settings)
    return CascadeSpec.model_validate(spec.model_copy(update={"stages": (spec.stages[0], spec.stages[2])}).model_dump())


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a codec that was trained for some seconds."""
    folder = tmp_path_factory.mktemp("codec")
    trained_on_shapes(folder / "vae", steps=120)
    return folder


def codec(root: Path) -> Codec:
    return Codecs(loads(TEXT).codecs, root).of("vae")


def material(spec: CascadeSpec, root: Path, cache: Path) -> Material:
    return gather(spec, None, root=root, cache=cache)


def batch(spec: CascadeSpec, root: Path, cache: Path, stage: int, count: int = 6) -> tuple[Batch, Tensor]:
    """Pairs of a stage, and the pictures that they are made of, on the finest grid."""
    kept, graph = material(spec, root, cache), nodes(spec)
    found = Pairs(spec.condition, graph, graph[stage], kept).batch(range(count))
    names = [fact.id for fact in kept.signals.facts]
    return found, kept.signals.at((16, 16), [names.index(name) for name in found.ids])


def test_a_latent_base_and_a_pixel_refine_stage_from_end_to_end(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "from")
    out, losses = tmp_path / "run", dict[str, list[float]]()
    trained = train(
        two_stages(refine__train__steps=120), root=tmp_path / "from", out=out, every=Every(preview=40),
        on_step=lambda step: losses.setdefault(step.stage, []).append(step.loss),
    )  # fmt: skip
    assert trained.complete
    for found in losses.values():
        assert sum(found[-10:]) < 0.9 * sum(found[:10])
    shutil.rmtree(tmp_path / "from")
    out.rename(tmp_path / "moved")
    cascade = Cascade.from_pretrained(tmp_path / "moved")
    samples = cascade.sample(num=3, keep=True, decode=True)
    assert samples.x.shape == (3, 3, 16, 16)
    assert samples.stages["base"].shape == (3, 4, 8, 8)
    low = resample(samples.decoded["base"], (16, 16), KERNEL)
    torch.testing.assert_close(samples.inputs["refine"]["low"], low)
    own, vae = load(tmp_path / "moved").codecs["vae"], codec(root).spec
    assert (own.load, own.id, own.scale, own.shift) == ("codecs/vae", vae.id, vae.scale, vae.shift)
    contract = json.loads((tmp_path / "moved/stages/base/contract.json").read_text())["out"]
    assert (contract["codec"], contract["scale"], contract["shift"]) == (vae.id, vae.scale, vae.shift)
    with Image.open(tmp_path / "moved/samples.png") as picture:
        assert picture.size[0] > 8 * 16
    assert (tmp_path / "moved/training/base/samples/step-00000040.png").is_file()


def test_latents_are_those_of_the_codec(root: Path, tmp_path: Path) -> None:
    found, x = batch(latent(), root, tmp_path, 1)
    torch.testing.assert_close(found.x, codec(root).encode(x))


def test_the_low_input_of_a_latent_bridge_is_the_low_picture_encoded(root: Path, tmp_path: Path) -> None:
    found, x = batch(latent(), root, tmp_path, 1)
    low = codec(root).encode(resample(x, (8, 8), KERNEL).clamp(-1, 1))
    torch.testing.assert_close(found.inputs["low"].source, low, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found.inputs["low"].x, resample(low, (8, 8), KERNEL), atol=1e-4, rtol=1e-4)


def test_or_resized_in_pixels_as_the_edge_says(root: Path, tmp_path: Path) -> None:
    found, x = batch(latent(bridge__inputs__low__resize_in="pixels"), root, tmp_path, 1)
    vae = codec(root)
    low = vae.decode(vae.encode(resample(x, (8, 8), KERNEL).clamp(-1, 1)))
    wanted = vae.encode(resample(low, (16, 16), KERNEL))
    torch.testing.assert_close(found.inputs["low"].x, wanted, atol=1e-4, rtol=1e-4)


def test_a_stage_in_pixels_learns_from_decoded_latents(root: Path, tmp_path: Path) -> None:
    """Not from the pictures themselves, which it will never be given."""
    found, x = batch(latent(), root, tmp_path, 2)
    vae = codec(root)
    torch.testing.assert_close(found.x, x)
    torch.testing.assert_close(found.inputs["low"].x, vae.decode(vae.encode(x)), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("blur", [None, {"train_std": [0.0, 0.0]}])
def test_pixels_are_encoded_once_or_at_every_step_to_the_same(root: Path, tmp_path: Path, blur: Any) -> None:
    spec = latent(base__out={"size": [8, 8]}, bridge__inputs__low__blur=blur)
    found, x = batch(spec, root, tmp_path, 1)
    low = resample(resample(x, (8, 8), KERNEL).clamp(-1, 1), (16, 16), KERNEL)
    torch.testing.assert_close(found.inputs["low"].x, codec(root).encode(low), atol=1e-4, rtol=1e-4)


def kept_files(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("carried-*.npy")}


def test_latents_are_made_once_per_codec_and_scale(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "own")
    own, cache = tmp_path / "own", tmp_path / "cache"
    first = material(latent(), own, cache)
    files = kept_files(cache)
    assert len(files) == 3  # both grids of latents, and the finer one decoded
    again = material(latent(), own, cache)
    assert kept_files(cache) == files
    grid = nodes(latent())[0].grid
    assert torch.equal(again.truth(grid).at([0, 1]), first.truth(grid).at([0, 1]))
    scaled = material(latent(codecs__vae__scale=2.0, codecs__vae__shift=0.0), own, cache)
    assert len(kept_files(cache)) == 6
    plain = first.truth(grid).at([0]) / codec(own).spec.scale + codec(own).spec.shift
    torch.testing.assert_close(scaled.truth(grid).at([0]), 2 * plain)
    change(own / "vae")
    other = material(latent(), own, cache)
    assert len(kept_files(cache)) == 9
    assert not torch.allclose(other.truth(grid).at([0]), first.truth(grid).at([0]))


def test_encoding_goes_on_where_it_was_stopped(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, real = list[int](), Codec.encode

    def encode(self: Codec, x: Tensor, *more: Any, **named: Any) -> Tensor:
        seen.append(len(x))
        if len(seen) == stop:
            raise KeyboardInterrupt
        return real(self, x, *more, **named)

    monkeypatch.setattr(carried, "EACH", 4)  # six parts, and one sample to learn the shape from
    monkeypatch.setattr(Codec, "encode", encode)
    spec, stop = two_stages(), 6
    with pytest.raises(KeyboardInterrupt):
        material(spec, root, tmp_path / "stopped")
    assert not kept_files(tmp_path / "stopped")
    seen.clear()
    stop = 0
    gone_on = material(spec, root, tmp_path / "stopped")
    assert seen == [1, 4, 4, 4]  # the last part of four may not have been whole
    seen.clear()
    whole, grid = material(spec, root, tmp_path / "whole"), nodes(spec)[0].grid
    assert len(seen) == 7
    assert torch.equal(gone_on.truth(grid).at(range(24)), whole.truth(grid).at(range(24)))


def test_a_posterior_is_sampled_once_per_sample_of_the_data(root: Path, tmp_path: Path) -> None:
    spec = latent(codecs__vae__posterior="sample")
    grid = nodes(spec)[0].grid
    one, two = (material(spec, root, tmp_path / name).truth(grid).at(range(24)) for name in ("one", "two"))
    mean = material(latent(), root, tmp_path / "mean").truth(grid).at(range(24))
    assert torch.equal(one, two)
    assert not torch.allclose(one, mean)


def test_a_share_of_low_inputs_is_what_a_latent_parent_made(root: Path, tmp_path: Path) -> None:
    short = {f"{name}__train__steps": 2 for name in ("base", "refine")}
    train(two_stages(refine__train__generated=1.0, **short), root=root, out=tmp_path, every=Every(preview=100))
    made = tmp_path / "training/refine/generated/base"
    (latents,) = (path for path in made.glob("*.npy") if not path.name.startswith("carried"))
    (decoded,) = made.glob("carried-*.npy")
    import numpy as np

    wanted = codec(root).decode(torch.from_numpy(np.load(latents)))
    torch.testing.assert_close(torch.from_numpy(np.load(decoded)), wanted, atol=1e-5, rtol=1e-5)


def change(folder: Path) -> None:
    weights = load_file(folder / WEIGHTS)
    weights["encoder.conv_in.bias"][0] += 1
    save_file(weights, folder / WEIGHTS)


def test_another_codec_or_scale_is_another_training(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "own")
    spec, run = (
        two_stages(base__train__steps=2, refine__train__steps=2),
        {"root": tmp_path / "own", "out": tmp_path / "run"},
    )
    train(spec, every=Every(preview=100), **run)
    assert train(spec, **run).skipped == ("base", "refine")
    before = (tmp_path / "run/cascade.yaml").read_bytes(), codec(tmp_path / "own").spec.id
    with pytest.raises(RunError, match=r"another recipe \(.*scale was .*, is 3.0.*Choose another --out"):
        train(override(spec, {"codecs.vae.scale": 3.0}), **run)
    change(tmp_path / "own/vae")
    now = codec(tmp_path / "own").spec.id
    with pytest.raises(RunError, match=rf"another recipe \(.*id was {before[1]}, is {now}"):
        train(spec, **run)
    assert (tmp_path / "run/cascade.yaml").read_bytes() == before[0]
    with pytest.raises(SpecError, match=rf"codecs.vae.id: is {before[1]}, but the autoencoder in .* is {now}"):
        train(override(spec, {"codecs.vae.id": before[1]}), **run)
    assert Cascade.from_pretrained(tmp_path / "run").sample().x.isfinite().all()


def test_the_folder_is_trained_on_with_its_own_codec(root: Path, tmp_path: Path) -> None:
    train(two_stages(base__train__steps=2, refine__train__steps=2), root=root, out=tmp_path, every=Every(preview=100))
    more = override(load(tmp_path), {"refine.train.steps": 3})
    assert train(more, root=tmp_path, out=tmp_path, every=Every(preview=100)).stages["refine"]["steps"] == 3


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"codecs__vae__load": "nowhere"}, RunError, r"codecs.vae.load: 'nowhere' is no folder"),
        ({"codecs__vae__factor": 4}, SpecError, r"codecs.vae.factor: AutoencoderKL encodes 3x16x16 to 4x8x8"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(
    root: Path, tmp_path: Path, settings: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        train(latent(**settings), root=root, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_data_must_have_the_channels_that_the_codec_encodes(root: Path, tmp_path: Path) -> None:
    grey = Given(list(shapes(4).mean(1, keepdim=True)))
    with pytest.raises(SpecError, match=r"codecs.vae.signal_channels: is 3, but the data has 1"):
        train(latent(), data=grey, root=root, out=tmp_path)


def test_sound_is_trained_among_latents_too(tmp_path: Path) -> None:
    spec = saved("oobleck", tmp_path / "sound")
    text = f"""
name: sound
codecs: {{sound: {{load: sound, factor: 8, channels: 4, signal_channels: 2}}}}
stages:
  - {{name: base, role: base, {NETWORK}, train: {{steps: 2, batch_size: 2}}, solver: {{steps: 2}},
     out: {{channels: 4, size: [8], space: sound}}}}
"""
    data = Given(list(torch.linspace(-1, 1, 4 * 2 * 64).sin().view(4, 2, 64)))
    train(loads(text), data=data, root=tmp_path, out=tmp_path / "run")
    samples = Cascade.from_pretrained(tmp_path / "run").sample(num=2, decode=True)
    assert samples.x.shape == (2, spec.signal_channels, 64)
