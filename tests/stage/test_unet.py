"""The U-Net: any size on one to three axes, hears all it is told, samples do not mix, saved and loaded unchanged."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from dynaxx.stage.unet import CascadeUNet

SIZES = [(16,), (13,), (1,), (8, 8), (7, 10), (5, 1), (3, 5, 6)]


def shaken(**config: object) -> CascadeUNet:
    """A small network with every weight moved, as after training: fresh ones answer 0."""
    torch.manual_seed(0)
    network = CascadeUNet(**{"in_channels": 2, "out_channels": 2, "width": 8, "blocks": 1, "head_dim": 4, **config})
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network.eval()


def given(size: tuple[int, ...], batch: int = 3) -> dict[str, Tensor]:
    torch.manual_seed(1)
    return {
        "x": torch.randn(batch, 2, *size), "level": torch.rand(batch), "told": torch.rand(batch, 2),
        "labels": torch.arange(batch) % 3 - 1, "text": torch.randn(batch, 4, 6),
        "text_mask": torch.ones(batch, 4, dtype=torch.bool),
    }  # fmt: skip


def told_all(axes: int) -> CascadeUNet:
    return shaken(axes=axes, told=2, classes=3, text_width=6)


@pytest.mark.parametrize("size", SIZES, ids=str)
@torch.no_grad()
def test_any_size_on_any_number_of_axes(size: tuple[int, ...]) -> None:
    out = told_all(len(size))(**given(size))
    assert out.shape == (3, 2, *size)
    assert out.isfinite().all()


@pytest.mark.parametrize("size", [(9,), (8, 6), (2, 4, 4)], ids=str)
@torch.no_grad()
def test_a_sample_is_the_same_alone_and_in_a_batch(size: tuple[int, ...]) -> None:
    network, asked = told_all(len(size)), given(size)
    together = network(**asked)
    alone = torch.cat([network(**{name: value[i : i + 1] for name, value in asked.items()}) for i in range(3)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["x", "level", "told", "labels", "text", "text_mask"])
@torch.no_grad()
def test_everything_it_is_told_changes_the_answer(name: str) -> None:
    network, asked = told_all(2), given((8, 8))
    changed = dict(asked)
    changed[name] = ~asked[name] if name == "text_mask" else asked[name].roll(1, 0)
    assert (network(**asked) - network(**changed)).abs().amax() > 1e-3


@torch.no_grad()
def test_each_told_level_is_heard_at_its_own_place() -> None:
    network, asked = told_all(2), given((8, 8))
    swapped = network(**{**asked, "told": asked["told"].flip(1)})
    assert (network(**asked) - swapped).abs().amax() > 1e-3


@torch.no_grad()
def test_masked_text_is_not_heard_and_no_text_equals_all_masked() -> None:
    network, asked = told_all(2), given((8, 8))
    asked["text_mask"] = torch.zeros_like(asked["text_mask"])
    other = network(**{**asked, "text": asked["text"] * 7})
    torch.testing.assert_close(network(**asked), other)
    none = network(**{**asked, "text": None, "text_mask": None})
    torch.testing.assert_close(none, other, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_small_levels_are_told_apart() -> None:
    network, asked = shaken(), given((8, 8))
    at = [network(asked["x"], torch.full((3,), level)) for level in (0.0, 0.001, 0.01)]
    assert (at[0] - at[1]).abs().amax() > 1e-4
    assert (at[1] - at[2]).abs().amax() > 1e-3


def test_a_fresh_network_answers_zero_and_learns_everywhere() -> None:
    torch.manual_seed(0)
    network = CascadeUNet(width=8, mults=(1, 2), attention=(1,), blocks=1, told=1, classes=2, text_width=6)
    x = torch.randn(2, 3, 8, 8)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(4):
        out = network(x, torch.rand(2), torch.rand(2, 1), torch.tensor([0, -1]), torch.randn(2, 3, 6))
        (out - x).square().mean().backward()
        optimiser.step()
    silent = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []
    assert not CascadeUNet(width=8)(x, torch.rand(2)).any()


@pytest.mark.parametrize(("config", "millions"), [({"width": 32}, (1.0, 2.0)), ({"width": 64}, (4, 8))])
def test_size(config: dict, millions: tuple[float, float]) -> None:
    count = sum(p.numel() for p in CascadeUNet(**config).parameters()) / 1e6
    assert millions[0] < count < millions[1]


def test_gradient_checkpointing_gives_the_same_gradients() -> None:
    network, asked = told_all(2).train(), given((8, 8))
    network(**asked).square().sum().backward()
    plain = {name: p.grad.clone() for name, p in network.named_parameters()}
    network.zero_grad()
    network.enable_gradient_checkpointing()
    network(**asked).square().sum().backward()
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(parameter.grad, plain[name])


@torch.no_grad()
def test_save_pretrained_and_back(tmp_path: Path) -> None:
    network, asked = told_all(2), given((8, 8))
    network.save_pretrained(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "diffusion_pytorch_model.safetensors"}
    torch.testing.assert_close(CascadeUNet.from_pretrained(tmp_path)(**asked), network(**asked), rtol=0, atol=0)
