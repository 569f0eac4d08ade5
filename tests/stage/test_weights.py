"""Weights on disk: what is written is what is read, ours and diffusers'; damaged files are named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from dynaxx.errors import DataError
from dynaxx.stage.unet import CascadeUNet
from dynaxx.stage.weights import CONFIG, WEIGHTS, load_network, load_weights, map_weights, save_network


@pytest.fixture
def saved(tmp_path: Path) -> tuple[CascadeUNet, Path]:
    torch.manual_seed(0)
    network = CascadeUNet(width=8, mults=(1, 2), attention=(1,), blocks=1)
    with torch.no_grad():
        network.last.weight.normal_()
    save_network(network, tmp_path)
    return network, tmp_path


@torch.no_grad()
def test_round_trip_of_our_network(saved: tuple[CascadeUNet, Path]) -> None:
    network, folder = saved
    x, level = torch.randn(2, 3, 8, 8), torch.rand(2)
    again = load_network(folder)
    assert not again.training
    assert torch.equal(again(x, level), network.eval()(x, level))
    fresh = CascadeUNet(width=8, mults=(1, 2), attention=(1,), blocks=1).eval()
    load_weights(fresh, folder)
    assert torch.equal(fresh(x, level), again(x, level))


@torch.no_grad()
def test_a_mapped_file_in_half_precision_leaves_the_network_its_own_format(saved: tuple[CascadeUNet, Path]) -> None:
    """As weights that travel with the package are kept: read whole or mapped, the same network, bit by bit."""
    _, folder = saved
    halved = {name: x.half() for name, x in load_file(folder / WEIGHTS).items()}
    save_file(halved, folder / WEIGHTS)
    with torch.device("meta"):
        mapped = CascadeUNet(width=8, mults=(1, 2), attention=(1,), blocks=1).eval()
    map_weights(mapped, folder)
    assert {p.dtype for p in mapped.parameters()} == {torch.float32}
    x, level = torch.randn(2, 3, 8, 8), torch.rand(2)
    assert torch.equal(mapped(x, level), load_network(folder)(x, level))


@torch.no_grad()
def test_a_diffusers_folder_is_read_as_it_is(tmp_path: Path) -> None:
    from diffusers import UNet2DModel

    network = UNet2DModel(
        sample_size=8, block_out_channels=(8, 8), layers_per_block=1, norm_num_groups=4, attention_head_dim=4,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    ).eval()  # fmt: skip
    network.save_pretrained(tmp_path)
    x = torch.randn(1, 3, 8, 8)
    assert torch.equal(load_network(tmp_path)(x, 5).sample, network(x, 5).sample)


def _drop_config(folder: Path) -> None:
    (folder / CONFIG).unlink()


def _break_config(folder: Path) -> None:
    (folder / CONFIG).write_text("{")


def _nameless(folder: Path) -> None:
    (folder / CONFIG).write_text("{}")


def _drop_weights(folder: Path) -> None:
    (folder / WEIGHTS).unlink()


def _cut(folder: Path) -> None:
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(data[: len(data) // 2])


def _wider(folder: Path) -> None:
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps({**config, "width": 16}))


def _lose_one(folder: Path) -> None:
    state = load_file(folder / WEIGHTS)
    state.pop("last.bias")
    save_file(state, folder / WEIGHTS)


def _poison(folder: Path) -> None:
    state = load_file(folder / WEIGHTS)
    state["last.bias"][0] = float("nan")
    save_file(state, folder / WEIGHTS)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_drop_config, "config.json: is missing"),
        (_break_config, "config.json: cannot be read"),
        (_nameless, "config.json: names no network"),
        (_drop_weights, "safetensors: is missing. Train the stage"),
        (_cut, "safetensors: is cut short or damaged"),
        (_wider, r"does not fit its network: \d+ of another shape \(.*, ...\). Use the weights"),
        (_lose_one, r"1 missing \(last.bias\)"),
        (_poison, r"1 not finite \(last.bias\)"),
    ],
)
def test_damage_is_named(saved: tuple[CascadeUNet, Path], damage: object, message: str) -> None:
    damage(saved[1])
    with pytest.raises(DataError, match=message):
        load_network(saved[1])
