"""Published pipelines: parameters as counted by others, figures that scale as they must, sources that are named."""

from __future__ import annotations

import gc
import math
from urllib.parse import urlparse

import pytest

from dynaxx.cli import run
from dynaxx.errors import UsageError
from dynaxx.plan.published import table as module
from dynaxx.plan.published.table import one_evaluation, published, published_table
from dynaxx.plan.time.devices import REACHED, device_named
from dynaxx.stage.pipeline.bare import bare_network

COUNTED = {"sdxl": {"base": 2_567_463_684, "refiner": 2_259_526_660}, "sd-x4": {"base": 865_910_724}}
"""Parameters that others counted: on the real weights, or (the refiner) on its published diffusers configuration."""


@pytest.fixture(scope="module")
def small() -> dict:
    return published_table("sd-x4")


def test_parameters_are_those_of_the_real_weights(small: dict) -> None:
    found = {stage["name"]: stage["parameters"] for stage in small["stages"]}
    assert found["base"] == COUNTED["sd-x4"]["base"]
    for stage in published()["sdxl"]["stages"]:
        network = bare_network(stage["network"], "sdxl")
        assert sum(p.numel() for p in network.parameters()) == COUNTED["sdxl"][stage["name"]]


CHECKED = [
    pytest.param(stage, id=f"{pipeline}, {stage['name']}")
    for pipeline, found in published().items()
    for stage in found["stages"]
    if "checked" in stage
]


@pytest.mark.parametrize("stage", CHECKED)
def test_parameters_fill_the_published_weights(stage: dict) -> None:
    """To 0.1%: weights are nothing but parameters, of so many bytes each; their size is said to three digits."""
    checked = stage["checked"]
    network = bare_network(stage["network"], "published")
    held = checked["bytes_each"] * sum(p.numel() for p in network.parameters())
    assert held == pytest.approx(checked["bytes"], rel=1e-3)


def test_every_stage_is_held_against_a_count_of_others() -> None:
    counted = {(pipeline, name) for pipeline, found in COUNTED.items() for name in found}
    for pipeline, found in published().items():
        networks = [s["network"] for p in published().values() for s in p["stages"] if "checked" in s or "counted" in s]
        for stage in found["stages"]:
            assert (pipeline, stage["name"]) in counted or stage["network"] in networks


@pytest.mark.parametrize("name", ["ltx-video", "wan-2.1-1.3b"])
def test_networks_for_video_have_the_parameters_that_others_counted(name: str) -> None:
    (stage,) = published()[name]["stages"]
    found = published_table(name)["stages"][0]
    assert found["parameters"] == stage["counted"]["parameters"]
    assert found["peak_bytes"] > found["weights_bytes"] == 2 * found["parameters"]


def test_flops_of_a_transformer_for_video_are_those_of_its_products() -> None:
    """Of Wan 2.1: every block's own and crossed attention and its two layers, by arithmetic; the rest is below 1%."""
    config, (frames, height, width) = published()["wan-2.1-1.3b"]["stages"][0]["network"], (21, 60, 104)
    dim, sites, text = 12 * 128, frames * height * width // 4, 512
    crossed = 2 * sites * dim * dim + 2 * text * dim * dim
    block = 4 * sites * dim * dim + crossed + 2 * sites * dim * config["ffn_dim"] + 2 * sites * (sites + text) * dim
    found = published_table("wan-2.1-1.3b")["stages"][0]["flops_per_evaluation"]
    assert found == pytest.approx(2 * config["num_layers"] * block, rel=0.01)


def test_both_experts_are_alike_and_all_of_their_work_is_told() -> None:
    high, low = published_table("wan-2.2-a14b")["stages"]
    assert high | {"name": "low noise"} == low
    assert high["grid"] == "16x21x60x104"
    assert high["flops_per_evaluation"] > 1e14


def test_the_cascade_of_three_is_whole() -> None:
    found = published_table("deepfloyd-if")
    grids = {stage["name"]: (stage["grid"], stage["parameters"]) for stage in found["stages"]}
    assert grids["stage I"] == ("3x64x64", 4_304_695_110)
    assert grids["stage II"] == ("6x256x256", 1_243_277_190)
    assert grids["upscaler"] == ("7x256x256", 473_398_020)
    assert all(stage["flops_per_evaluation"] > 1e12 for stage in found["stages"])


def test_garbage_is_collected_again_afterwards(tmp_path, monkeypatch) -> None:
    stage = module._rehearsed("sd-x4")["stages"][0]
    monkeypatch.setenv("DYNAXX_CACHE", str(tmp_path))
    during = []
    monkeypatch.setattr(module, "_stage", lambda *given: during.append(gc.isenabled()) or stage)
    published_table("sd-x4")
    assert during == [False, False]
    assert gc.isenabled()


def test_a_second_question_is_answered_from_what_was_kept(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("DYNAXX_CACHE", str(tmp_path))
    first = published_table("deepfloyd-if")
    monkeypatch.setattr("dynaxx.plan.published.table.bare_network", lambda *given: pytest.fail("built again"))
    assert published_table("deepfloyd-if") == first


def test_weights_are_part_of_the_peak_and_flops_grow_with_the_sites(small: dict) -> None:
    base = small["stages"][0]
    assert base["peak_bytes"] > base["weights_bytes"]
    network = bare_network(published()["sd-x4"]["stages"][0]["network"], "sd").half()
    profile = one_evaluation(network, (128, 64))
    flops = profile.flops(profile.evaluations[1], 1, (128, 64))
    assert 2 * base["flops_per_evaluation"] < flops < 3 * base["flops_per_evaluation"]


def test_half_precision_has_a_time_where_its_peak_is_known(small: dict) -> None:
    for name in ("h100-sxm", "t4"):
        found = published_table("sd-x4", name)
        peak = REACHED * device_named(name).peak_flops["float16"]
        assert "published figures" in found["clock"]
        for stage in found["stages"]:
            least, told = stage["flops_per_evaluation"] / peak, stage["evaluation_s"]
            assert least < told["value"] < 8 * least  # small products wait for bytes, and for launches
            assert told["high"] / told["value"] == pytest.approx(math.exp(1.645 * 0.5))
        assert [stage["flops_per_evaluation"] for stage in found["stages"]] == [
            stage["flops_per_evaluation"] for stage in small["stages"]
        ]


def test_without_a_calibration_there_is_no_time(tmp_path, monkeypatch) -> None:
    kept = module._rehearsed("sd-x4")
    monkeypatch.setenv("DYNAXX_CACHE", str(tmp_path))
    monkeypatch.setattr(module, "_rehearsed", lambda name: kept)
    found = published_table("sd-x4")
    assert "not calibrated" in found["clock"]
    assert [stage["evaluation_s"] for stage in found["stages"]] == [None, None]


def test_every_figure_names_where_it_was_read() -> None:
    for pipeline in published().values():
        sources = [stage["source"] for stage in pipeline["stages"]]
        sources += [
            stage[key]["source"] for stage in pipeline["stages"] for key in ("checked", "counted") if key in stage
        ]
        assert all(urlparse(source).scheme == "https" and urlparse(source).path.strip("/") for source in sources)


def test_the_command_says_which_release_it_shows(small: dict, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "--pretrained", small["name"]]) == 0
    shown = capsys.readouterr().out
    assert "Stable Diffusion 2.1 base and the x4 upscaler" in shown
    assert shown.count("https://github.com/Stability-AI/") == 2


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(UsageError, match="sdxl"):
        published_table("wan-9")
