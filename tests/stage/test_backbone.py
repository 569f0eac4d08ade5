"""Any network behind one call: what diffusers' own accept is passed on, what they would drop is refused."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch

from dynaxx.errors import SpecError
from dynaxx.spec.condition import ConditionSpec, LabelSpec, TextSpec
from dynaxx.spec.grid import Grid
from dynaxx.spec.network import DiffusersNetworkSpec, UNetSpec
from dynaxx.stage.backbone import Adapted, make_network
from dynaxx.stage.condition import encode

NONE, LABEL, TEXT = (
    ConditionSpec(),
    ConditionSpec(label=LabelSpec(classes=3)),
    ConditionSpec(text=TextSpec(width=12, max_tokens=4)),
)
UNET2D = DiffusersNetworkSpec(
    model="UNet2DModel",
    config={
        "block_out_channels": [8, 8], "layers_per_block": 1, "norm_num_groups": 4, "attention_head_dim": 4,
        "down_block_types": ["DownBlock2D", "DownBlock2D"], "up_block_types": ["UpBlock2D", "UpBlock2D"],
    },
)  # fmt: skip
CROSS = {"block_out_channels": [8, 8], "layers_per_block": 1, "norm_num_groups": 4, "attention_head_dim": 4}
UNET2DC = DiffusersNetworkSpec(
    model="UNet2DConditionModel",
    config={
        **CROSS, "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
    },
)  # fmt: skip
UNET3DC = DiffusersNetworkSpec(
    model="UNet3DConditionModel",
    config={
        **CROSS, "down_block_types": ["CrossAttnDownBlock3D", "DownBlock3D"],
        "up_block_types": ["UpBlock3D", "CrossAttnUpBlock3D"],
    },
)  # fmt: skip
DIT = DiffusersNetworkSpec(
    model="DiTTransformer2DModel",
    config={"num_layers": 1, "num_attention_heads": 2, "attention_head_dim": 8, "norm_num_groups": 4, "patch_size": 2},
)
UNET1D = DiffusersNetworkSpec(
    model="UNet1DModel",
    config={
        "block_out_channels": [8, 16], "layers_per_block": 1, "norm_num_groups": 4, "use_timestep_embedding": True,
        "time_embedding_type": "positional", "out_block_type": "OutConv1DBlock", "act_fn": "mish",
        "mid_block_type": "MidResTemporalBlock1D",
        "down_block_types": ["DownResnetBlock1D", "DownResnetBlock1D"], "up_block_types": ["UpResnetBlock1D"],
    },
)  # fmt: skip
PICTURE, VIDEO, SOUND = Grid(2, [8, 8]), Grid(2, (4, 8, 8)), Grid(2, (16,))
FITTING = [
    (UNetSpec(width=8, mults=(1, 2), attention=(1,), blocks=1), PICTURE, LABEL),
    (UNetSpec(width=8, mults=(1, 2), attention=(1,), blocks=1), VIDEO, TEXT),
    (UNET2D, PICTURE, NONE), (UNET2D, PICTURE, LABEL), (UNET2DC, PICTURE, TEXT), (UNET3DC, VIDEO, TEXT),
    (DIT, PICTURE, LABEL), (DIT, PICTURE, NONE), (UNET1D, SOUND, NONE),
]  # fmt: skip


def name(value: object) -> str:
    return getattr(value, "model", None) or (str(value) if isinstance(value, Grid) else "")


@pytest.mark.parametrize(("spec", "grid", "asked"), FITTING, ids=name)
@torch.no_grad()
def test_networks_answer_on_the_grid_and_hear_level_and_condition(
    spec: object, grid: Grid, asked: ConditionSpec
) -> None:
    torch.manual_seed(0)
    network = make_network(spec, grid=grid, in_channels=5, told=0, condition=asked).eval()
    for parameter in network.parameters():
        parameter.add_(0.2 * torch.randn_like(parameter))
    call, x = Adapted(network), torch.randn(2, 5, *grid.size)
    given = encode(
        asked, prompts=["a cat", "dogs"] if asked.text else None, labels=[1, 2] if asked.label else None, count=2
    )
    low, high = (call(x, torch.full((2,), level), None, given) for level in (0.1, 0.9))
    assert low.shape == (2, *grid.shape)
    assert not torch.allclose(low, high, atol=1e-3)
    if asked.text or asked.label:
        assert not torch.allclose(low, call(x, torch.full((2,), 0.1), None, given.null()), atol=1e-4)


@torch.no_grad()
def test_the_adapter_passes_on_a_timestep_of_1000_levels() -> None:
    network = make_network(UNET2D, grid=PICTURE, in_channels=2, told=0, condition=NONE).eval()
    x = torch.randn(2, 2, 8, 8)
    ours = Adapted(network)(x, torch.tensor([0.25, 0.5]), None, encode(NONE, count=2))
    torch.testing.assert_close(ours, network(x, torch.tensor([250, 500])).sample)


@pytest.mark.parametrize(
    ("spec", "grid", "told", "asked", "message"),
    [
        (UNET2D, PICTURE, 1, NONE, r"cannot be told the levels of inputs \(1 here\). Set `told: false`"),
        (UNET2D, PICTURE, 0, TEXT, "takes no text, so the prompt would be lost"),
        (UNET1D, SOUND, 0, LABEL, "takes no label, so it would be lost"),
        (UNET3DC, VIDEO, 0, ConditionSpec(text=TextSpec(width=12), label=LabelSpec(classes=2)), "takes no label"),
        (UNET2DC, PICTURE, 0, NONE, "needs a text condition, but there is none. Add `text`"),
        (UNET2D, SOUND, 0, NONE, "UNet2DModel cannot work on 2x16"),
        (DIT, Grid(2, (8, 16)), 0, NONE, "DiTTransformer2DModel"),
        (DiffusersNetworkSpec(model="UNet9D"), PICTURE, 0, NONE, "diffusers has no network 'UNet9D'"),
        (DiffusersNetworkSpec(model="AutoencoderKL"), PICTURE, 0, NONE, "takes no timestep"),
        (DiffusersNetworkSpec(model="UNet2DModel", config={"colour": 1}), PICTURE, 0, NONE, "refuses it: .*colour"),
        (
            DiffusersNetworkSpec(model="UNet2DModel", config={"in_channels": 7}), PICTURE, 0, NONE,
            "network.config.in_channels: is 7, but the cascade needs 5. Leave it out",
        ),
        (UNetSpec(attention=(3,)), PICTURE, 0, NONE, "3 is no resolution: there are 3, numbered from 0"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused(spec: object, grid: Grid, told: int, asked: ConditionSpec, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        make_network(spec, grid=grid, in_channels=5, told=told, condition=asked)


@pytest.mark.parametrize(
    "spec", [UNetSpec(width=8, mults=(1, 2), attention=(1,), blocks=1), UNET2D], ids=["ours", "foreign"]
)
def test_a_replica_works_with_weights_of_its_own(spec: UNetSpec | DiffusersNetworkSpec) -> None:
    network = make_network(spec, grid=PICTURE, in_channels=2, told=0, condition=NONE)
    held = {"network": network, "call": Adapted(network, spec)}
    replica = deepcopy(held)
    x, level, nothing = torch.randn(1, 2, 8, 8), torch.tensor([0.5]), encode(NONE, count=1)
    before = held["call"](x, level, None, nothing)
    assert torch.equal(replica["call"](x, level, None, nothing), before)
    for weights in replica["network"].parameters():
        weights.data.zero_()
    assert torch.equal(held["call"](x, level, None, nothing), before)
    assert not replica["call"](x, level, None, nothing).any()
