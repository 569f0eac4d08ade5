"""Pretrained diffusers networks answer in our stages as under their own schedulers, at every level."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from tiny_pipelines import WIDTH, unet

from dynaxx import Cascade
from dynaxx.errors import DataError, SpecError
from dynaxx.noise.level import Level
from dynaxx.spec.files import parse
from dynaxx.spec.network import TimestepsSpec
from dynaxx.stage.condition import Condition
from dynaxx.stage.diffusion import Diffusion
from dynaxx.stage.timesteps import timesteps_of

TABLES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "linear": ({"kind": "linear"}, {"beta_schedule": "linear", "beta_start": 1e-4, "beta_end": 2e-2}),
    "scaled-linear": (
        {"kind": "scaled-linear", "first": 0.00085, "last": 0.012},
        {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012},
    ),
    "cosine": ({"kind": "cosine"}, {"beta_schedule": "squaredcos_cap_v2"}),
}
PREDICTIONS = {"eps": "epsilon", "v": "v_prediction", "x": "sample"}


def network(root: Path) -> None:
    """A small U-Net for pictures, saved as diffusers saves it."""
    torch.manual_seed(3)
    diffusers.UNet2DModel(
        sample_size=8, in_channels=3, out_channels=3, layers_per_block=1, block_out_channels=(32, 32),
        down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    ).save_pretrained(root / "unet")  # fmt: skip


def cascade(root: Path, table: str, prediction: str = "eps", **more: Any) -> Cascade:
    net = {"kind": "diffusers", "load": "unet", "timesteps": TABLES[table][0]}
    stage = {"name": "base", "role": "base", "network": net, "prediction": prediction, "out": {"size": [8, 8]}}
    return Cascade.from_spec(parse({"name": "x", "stages": [stage | more]}), root=root)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_the_clean_estimate_is_the_schedulers(tmp_path: Path, table: str, prediction: str) -> None:
    network(tmp_path)
    stage = cascade(tmp_path, table, prediction).stages["base"]
    assert isinstance(stage, Diffusion)
    scheduler = diffusers.DDIMScheduler(
        clip_sample=False, prediction_type=PREDICTIONS[prediction], timestep_spacing="trailing", **TABLES[table][1]
    )
    scheduler.set_timesteps(1000)
    theirs = diffusers.UNet2DModel.from_pretrained(tmp_path / "unet")
    x_t = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    for t in (0, 17, 400, 900):
        kept = float(scheduler.alphas_cumprod[t])
        level = Level(0.0, kept**0.5, (1 - kept) ** 0.5)
        with torch.no_grad():
            ours = stage.denoiser(x_t, level, {}, Condition(("", "")))
            answer = theirs(x_t, t).sample
            script = scheduler.step(answer, t, x_t).pred_original_sample
        assert (ours - script).abs().max() <= 1e-3 * script.abs().max()


@pytest.mark.parametrize("table", TABLES)
def test_timesteps_go_back_to_where_they_came_from(table: str) -> None:
    scheduler = diffusers.DDPMScheduler(**TABLES[table][1])
    kept = scheduler.alphas_cumprod.double()
    level = torch.atan(((1 - kept) / kept).sqrt()) * 2 / torch.pi
    found = timesteps_of(TimestepsSpec.model_validate(TABLES[table][0]))(level)
    assert (found[:990] - torch.arange(990)).abs().max() < 0.01


def test_a_flow_is_told_its_own_t() -> None:
    t = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
    level = torch.atan(t / (1 - t)) * 2 / torch.pi
    assert torch.allclose(timesteps_of(TimestepsSpec(kind="flow"))(level), 1000 * t)


def test_text_reaches_a_pretrained_network(tmp_path: Path) -> None:
    unet(4).save_pretrained(tmp_path / "unet")
    net = {"kind": "diffusers", "load": "unet", "timesteps": TABLES["scaled-linear"][0]}
    stage = {
        "name": "base",
        "role": "base",
        "network": net,
        "prediction": "eps",
        "out": {"channels": 4, "size": [8, 8]},
    }
    condition = {"text": {"width": WIDTH, "max_tokens": 8}}
    live = Cascade.from_spec(parse({"name": "x", "condition": condition, "stages": [stage]}), root=tmp_path)
    one, other = live.sample("a red apple").x, live.sample("a green pear").x
    assert (one - other).abs().max() > 1e-4


def test_training_begins_with_the_pretrained_weights(tmp_path: Path) -> None:
    network(tmp_path)
    begun = cascade(tmp_path, "linear")
    fresh = Cascade.from_spec(begun.spec, root=tmp_path, fresh=True)
    folder = begun.save_pretrained(tmp_path / "tuned")
    theirs = diffusers.UNet2DModel.from_pretrained(tmp_path / "unet").state_dict()
    for live in (begun, fresh):
        assert isinstance(stage := live.stages["base"], Diffusion)
        assert all(torch.equal(x, theirs[name]) for name, x in stage.network.state_dict().items())
    for file in (folder / "stages" / "base").glob("*.safetensors"):
        assert file.stat().st_size > 1000


def test_what_is_missing_or_does_not_fit_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"unet/config.json.*cannot be read"):
        cascade(tmp_path, "linear")
    network(tmp_path)
    with pytest.raises(SpecError, match="in_channels"):
        cascade(tmp_path, "linear", out={"channels": 1, "size": [8, 8]})
    with pytest.raises(SpecError, match="neither `model` nor `load`"):
        cascade(tmp_path, "linear", network={"kind": "diffusers"})
