"""Codecs: what diffusers answers with by hand, there and back, who they are, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_codecs import FAMILIES, autoencoder, saved, shapes, trained_on_shapes
from torch import Tensor

from dynaxx.errors import DataError, RunError, SpecError
from dynaxx.signal.random import Draws
from dynaxx.spec.codec import CodecSpec
from dynaxx.spec.grid import Grid
from dynaxx.stage.codec import BATCH, Codec
from dynaxx.stage.codec_files import identity
from dynaxx.stage.codecs import Codecs

DRAWS = Draws(3, "codec", (0, 1))
WEIGHTS = "diffusion_pytorch_model.safetensors"


def opened(spec: CodecSpec) -> Codec:
    return Codecs({"vae": spec}).of("vae")


def grids(name: str) -> tuple[Grid, Grid]:
    """The latents and the signal of a family."""
    spec, size = CodecSpec(load="x", **FAMILIES[name][2]), FAMILIES[name][3]
    return Grid(spec.channels, size, "vae"), Grid(spec.signal_channels, spec.decoded(size))


def signals(grid: Grid, count: int = 2) -> Tensor:
    return Draws(1, "x", tuple(range(count))).normal("x", grid.shape).clamp(-1, 1)


@torch.no_grad()
def by_hand(name: str, x: Tensor) -> tuple[Tensor, Tensor]:
    """Latents and signals as a script of diffusers makes them."""
    vae, config = autoencoder(name), FAMILIES[name][1]
    match name:
        case "kl":
            latents = (vae.encode(x).latent_dist.mode() - vae.config.shift_factor) * vae.config.scaling_factor
            return latents, vae.decode(latents / vae.config.scaling_factor + vae.config.shift_factor).sample
        case "oobleck":
            latents = vae.encode(x).latent_dist.mode()
            return latents, vae.decode(latents).sample
        case "wan":
            mean, std = (torch.tensor(config[key]).view(1, -1, 1, 1, 1) for key in ("latents_mean", "latents_std"))
            latents = (vae.encode(x).latent_dist.mode() - mean) * (1 / std)
            return latents, vae.decode(latents / (1 / std) + mean).sample
        case _:
            latents = vae.encode(x)[0] * vae.config.scaling_factor
            return latents, vae.decode(latents / vae.config.scaling_factor).sample


@pytest.mark.parametrize("name", FAMILIES)
def test_encodes_and_decodes_as_a_script_of_diffusers(name: str, tmp_path: Path) -> None:
    latents, signal = grids(name)
    codec, x = opened(saved(name, tmp_path)), signals(signal)
    codec.rehearse(latents, signal)
    z, y = by_hand(name, x)
    assert z.shape[1:] == latents.shape
    assert z.std() > 1e-3
    torch.testing.assert_close(codec.encode(x), z)
    torch.testing.assert_close(codec.decode(z), y.clamp(-1, 1))


def test_what_the_cascade_says_goes_before_the_codecs_own(tmp_path: Path) -> None:
    plain = opened(saved("kl", tmp_path, scale=1, shift=0)).encode(signals(grids("kl")[1]))
    said = opened(saved("kl", tmp_path, scale=[1, 2, 3, 4], shift=0.5)).encode(signals(grids("kl")[1]))
    torch.testing.assert_close(said, (plain - 0.5) * torch.tensor([1.0, 2, 3, 4]).view(1, 4, 1, 1))


def test_a_sample_of_the_posterior_is_its_mean_and_std_with_our_numbers(tmp_path: Path) -> None:
    codec, x = opened(saved("kl", tmp_path, posterior="sample")), signals(grids("kl")[1])
    with torch.no_grad():
        posterior = autoencoder("kl").encode(x).latent_dist
    eps = DRAWS.normal("posterior", tuple(posterior.mean.shape[1:]))
    wanted = (posterior.mean + posterior.std * eps - 0.2) * 0.7
    torch.testing.assert_close(codec.encode(x, DRAWS), wanted)


@pytest.mark.parametrize("posterior", ["mean", "sample"])
def test_a_sample_is_the_same_in_any_company(posterior: str, tmp_path: Path) -> None:
    codec, count = opened(saved("kl", tmp_path, posterior=posterior)), BATCH + 3
    x = signals(grids("kl")[1], count)
    whole = codec.encode(x, Draws(3, "codec", tuple(range(count))))
    alone = codec.encode(x[-1:], Draws(3, "codec", (count - 1,)))
    torch.testing.assert_close(whole[-1:], alone)
    torch.testing.assert_close(codec.decode(whole)[-1:], codec.decode(alone))


def test_only_a_posterior_can_be_sampled_from(tmp_path: Path) -> None:
    codec = opened(saved("tiny", tmp_path, posterior="sample"))
    with pytest.raises(SpecError, match=r"codecs.vae.posterior: is 'sample', but AutoencoderTiny has no posterior"):
        codec.encode(signals(grids("tiny")[1]), DRAWS)


def test_a_trained_codec_gives_back_what_it_was_given(tmp_path: Path) -> None:
    trained_on_shapes(tmp_path)
    codec = opened(CodecSpec(load=str(tmp_path), factor=2))
    x = shapes(16, seed=9)  # others than it was trained on
    z = codec.encode(x)
    assert z.shape == (16, 4, 8, 8)
    assert abs(z.mean()) < 0.3
    assert 0.7 < z.std() < 1.3
    error = (codec.decode(z) - x).square().mean()
    assert error < 0.15 * x.var()


def test_identity_is_that_of_settings_and_weights_not_of_files(tmp_path: Path) -> None:
    saved("kl", tmp_path / "a")
    autoencoder("kl").save_pretrained(tmp_path / "b", max_shard_size="20KB")
    assert len(list((tmp_path / "b").glob("*.safetensors"))) > 1
    known = identity(tmp_path / "a")
    assert identity(tmp_path / "b") == known
    assert opened(CodecSpec(load=str(tmp_path / "b"), factor=2)).spec.id == known
    config = tmp_path / "a" / "config.json"
    said = json.loads(config.read_text())
    config.write_text(json.dumps(said | {"_diffusers_version": "0"}))
    assert identity(tmp_path / "a") == known
    config.write_text(json.dumps(said | {"scaling_factor": 1.0}))
    assert identity(tmp_path / "a") != known
    config.write_text(json.dumps(said))
    change(tmp_path / "a" / WEIGHTS, "decoder.conv_out.bias")
    assert identity(tmp_path / "a") != known


def change(file: Path, name: str) -> None:
    weights = load_file(file)
    weights[name][0] += 1
    save_file(weights, file)


def test_another_codec_than_the_one_said_is_refused_with_both_sides(tmp_path: Path) -> None:
    spec = saved("kl", tmp_path)
    mine = identity(tmp_path)
    opened(spec.model_copy(update={"id": mine}))
    change(tmp_path / WEIGHTS, "decoder.conv_out.bias")
    with pytest.raises(
        SpecError, match=rf"codecs.vae.id: is {mine}, but the autoencoder in .* is {identity(tmp_path)}"
    ):
        opened(spec.model_copy(update={"id": mine}))


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"factor": 4}, r"codecs.vae.factor: AutoencoderKL encodes 3x8x12 to 4x4x6, not to 4x2x3"),
        ({"channels": 8}, r"codecs.vae.channels: AutoencoderKL encodes 3x8x12 to 4x4x6, not to 8x4x6"),
        ({"signal_channels": 1}, r"codecs.vae: AutoencoderKL cannot work on 1x8x12 \("),
        ({"size": (4,)}, r"codecs.vae: AutoencoderKL cannot work on 3x4 \("),
    ],
)
def test_what_does_not_fit_is_told_by_a_rehearsal(said: dict[str, Any], problem: str, tmp_path: Path) -> None:
    size = said.pop("size", (8, 12))
    spec = saved("kl", tmp_path, **said)
    latents = spec.encoded(size)
    assert latents is not None
    with pytest.raises(SpecError, match=problem):
        opened(spec).rehearse(Grid(spec.channels, latents, "vae"), Grid(spec.signal_channels, size))


def test_statistics_of_other_channels_are_not_guessed_at(tmp_path: Path) -> None:
    spec = saved("wan", tmp_path, channels=8)
    with pytest.raises(SpecError, match=r"codecs.vae.scale: is left out, and AutoencoderKLWan has 4 numbers for 8"):
        opened(spec)


def test_what_cannot_be_rehearsed_without_memory_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Cosmos, whose wavelets lie on the CPU whatever device is asked for."""
    codec, tried = opened(saved("kl", tmp_path)), []
    real = type(codec.network).encode

    def encode(self: Any, x: Tensor) -> Any:
        tried.append(x.device.type)
        return real(self, x + torch.zeros_like(x, device="cpu") if x.device.type == "meta" else x)

    monkeypatch.setattr(type(codec.network), "encode", encode)
    codec.rehearse(*grids("kl"))
    assert tried == ["meta", "cpu"]


def spoil(folder: Path, how: str) -> None:
    file = folder / WEIGHTS
    weights = load_file(file)
    match how:
        case "cut":
            file.write_bytes(file.read_bytes()[:-100])
        case "missing":
            del weights["decoder.conv_out.bias"]
        case "unknown":
            weights["more"] = torch.zeros(1)
        case "nan":
            weights["decoder.conv_out.bias"][0] = float("nan")
        case "no weights":
            file.unlink()
        case "no autoencoder":
            config = json.loads((folder / "config.json").read_text())
            (folder / "config.json").write_text(json.dumps(config | {"_class_name": "UNet2DModel"}))
        case "no config":
            (folder / "config.json").unlink()
    if how in ("missing", "unknown", "nan"):
        save_file(weights, file)


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        ("cut", "cut short or damaged"),
        ("missing", r"1 missing \(decoder.conv_out.bias\)"),
        ("unknown", r"1 unknown \(more\)"),
        ("nan", r"not finite \(decoder.conv_out.bias\)"),
        ("no weights", "holds no weights"),
        ("no autoencoder", "holds 'UNet2DModel', which is no autoencoder"),
        ("no config", "config.json: cannot be read"),
    ],
)
def test_damaged_files_are_refused(how: str, problem: str, tmp_path: Path) -> None:
    spec = saved("kl", tmp_path)
    spoil(tmp_path, how)
    with pytest.raises(DataError, match=problem):
        opened(spec)


@pytest.mark.parametrize("load", ["vae", "some/vae", "./no/vae"])
def test_what_is_not_there_is_said_so(load: str, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=rf"codecs.vae.load: '{load}' is no folder \(.*\)") as found:
        Codecs({"vae": CodecSpec(load=load)}, root=tmp_path).of("vae")
    assert ("or allow downloads: --download" in str(found.value)) == (load == "some/vae")
