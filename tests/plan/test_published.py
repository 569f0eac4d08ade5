"""Published pipelines: parameters as counted by others, figures that scale as they must, sources that are named."""

from __future__ import annotations

import pytest

from dynaxx.errors import UsageError
from dynaxx.plan.published.table import one_evaluation, published, published_table
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


def test_a_second_question_is_answered_from_what_was_kept(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("DYNAXX_CACHE", str(tmp_path))
    first = published_table("deepfloyd-if")
    monkeypatch.setattr("dynaxx.plan.published.table.bare_network", lambda *given: pytest.fail("built again"))
    assert published_table("deepfloyd-if") == first


def test_weights_are_part_of_the_peak_and_flops_grow_with_the_sites(small: dict) -> None:
    base = small["stages"][0]
    assert base["peak_bytes"] > base["weights_bytes"]
    network = bare_network(published()["sd-x4"]["stages"][0]["network"], "sd").half()
    flops, _ = one_evaluation(network, (128, 64))
    assert 2 * base["flops_per_evaluation"] < flops < 3 * base["flops_per_evaluation"]


def test_every_figure_names_where_it_was_read_and_what_is_missing_is_said() -> None:
    for pipeline in published().values():
        assert all(stage["source"].startswith("https://github.com/") for stage in pipeline["stages"])
    missing = {stage["name"] for stage in published()["deepfloyd-if"]["missing"]}
    assert missing == {"stage I", "stage II"}


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(UsageError, match="sdxl"):
        published_table("wan")
