"""What changes an id and what does not."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import spec_examples as examples

from dynaxx.errors import SpecError
from dynaxx.spec import parse, run_id, stage_weights_id

Settings = dict[str, Any]


def ids(data: dict[str, Any]) -> tuple[str, list[str]]:
    """The run id and the weights ids of base, bridge, refine."""
    spec = parse(data)
    return run_id(spec), [stage_weights_id(spec, stage.name) for stage in spec.stages]


def after(settings: Settings, data: dict[str, Any] | None = None) -> tuple[bool, list[bool]]:
    """Whether settings change the run id, and each stage's weights id."""
    before = data or examples.linear()
    changed = copy.deepcopy(before)
    for path, value in settings.items():
        examples.changed(changed, path, value)
    (run, weights), (new_run, new_weights) = ids(before), ids(changed)
    return run != new_run, [old != new for old, new in zip(weights, new_weights, strict=True)]


NOTHING = [
    {"name": "other"},
    {"description": "told at length"},
    {"budget": {"latency_s": 2.0}},
    {"version": 1},
    {"stages.0.solver": {"steps": 24, "guidance": {"scale": 1.0}}},
    {"stages.0.process": {"kind": "cosine", "logsnr_max": 15.0}},
    {"stages.0.kind": "diffusion"},
    {"stages.1.inputs.low.resize": {"hw": "bicubic-antialias"}},
    {"stages.1.inputs.low.from": ["base"]},
    {"stages.1.inputs.low.hand": "clean"},
    {"stages.1.out.scale": 2.0},
    {"stages.1.out": {"scale": {"hw": 2}}},
    {"stages.1.out": {"scale": {"w": 2, "h": 2}}},
    {"stages.1.out": {"size": [32, 32]}},
    {"stages.1.out": {"scale": 2, "size": [32, 32]}},
    {"stages.1.repeat": {"times": 1}},
    {"stages.1.repeat": {"times": 1, "std": [0.1]}},
    {"stages.1.role": "refine"},
    {"stages.0.weights": "elsewhere"},
    {"stages.0.solver.eta": 0.5},
    {"stages.0.prediction": "v"},
    {"stages.0.network": {"width": 64}},
    {"condition": None},
]


@pytest.mark.parametrize("settings", NOTHING, ids=str)
def test_nothing_changes(settings: Settings) -> None:
    assert after(settings) == (False, [False, False, False])


RUN_ONLY = [
    {"stages.0.solver.steps": 5},
    {"stages.0.solver.clip": "static"},
    {"stages.1.inputs.low.noise.std": 0.2},
    {"stages.1.repeat": {"times": 1, "std": [0.2]}},
    {"stages.2.name": "polish"},
    {"stages.0.solver": {"kind": "ancestral"}},
]


@pytest.mark.parametrize("settings", RUN_ONLY, ids=str)
def test_only_the_run_changes(settings: Settings) -> None:
    assert after(settings) == (True, [False, False, False])


TRAINED = [
    ({"stages.0.network": {"kind": "unet", "width": 32}}, [True, False, False]),
    ({"stages.0.prediction": "x"}, [True, False, False]),
    ({"stages.0.process": {"kind": "flow"}}, [True, False, False]),
    ({"stages.1.train": {"steps": 5}}, [False, True, False]),
    ({"stages.1.inputs.low.noise.train_std": [0.0, 0.5]}, [False, True, False]),
    ({"stages.1.inputs.low.noise.at": "low"}, [False, True, False]),
    ({"stages.1.inputs.low.noise.told": False}, [False, True, False]),
    ({"stages.1.inputs.low.noise.form": "preserving"}, [False, True, False]),
    ({"stages.1.inputs.low.noise.redraw": "step"}, [False, True, False]),
    ({"stages.1.inputs.low.resize": "area"}, [False, True, False]),
    ({"stages.0.out.size": [8, 8]}, [True, True, True]),
    ({"data": {"kind": "shapes", "count": 5}}, [True, True, True]),
    ({"condition": {"label": {"classes": 3}}}, [True, True, True]),
]


@pytest.mark.parametrize(("settings", "changes"), TRAINED, ids=str)
def test_what_was_trained_changes(settings: Settings, changes: list[bool]) -> None:
    assert after(settings) == (True, changes)


SAME = [
    ({"resize": "area"}, {"resize": {"hw": "area"}}),
    ({"resize": "area"}, {"resize": {"w": "area", "h": "area"}}),
    ({"resize": {"h": "area"}}, {"resize": {"h": "area", "w": "bicubic-antialias"}}),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_kernels_are_the_same_however_they_are_written(one: Any, other: Any) -> None:
    data = examples.changed(examples.linear(), "stages.1.inputs.low", {"from": "base", **one})
    assert after({"stages.1.inputs.low": {"from": "base", **other}}, data) == (False, [False, False, False])


def latent(**codec: Any) -> dict[str, Any]:
    """A base in the latent space of a codec."""
    codec = {"load": "some/vae", "scale": 0.18215} | codec
    out = {"channels": 4, "size": [8, 8], "space": "vae"}
    return {"name": "latent", "codecs": {"vae": codec}, "stages": [{"name": "base", "role": "base", "out": out}]}


@pytest.mark.parametrize("codec", [{"load": "other/vae"}, {"scale": 1.0}, {"shift": 0.1}])
def test_the_codec_is_part_of_what_was_trained(codec: dict[str, Any]) -> None:
    before, now = ids(latent()), ids(latent(**codec))
    assert before[0] != now[0]
    assert before[1] != now[1]


def test_a_codec_with_an_identity_may_lie_anywhere() -> None:
    known, other = "0123456789abcdef", "fedcba9876543210"
    assert ids(latent(id=known)) == ids(latent(id=known, load="elsewhere"))
    assert ids(latent(id=known)) != ids(latent(id=other))
    assert ids(latent(id=known)) != ids(latent())


def test_where_an_edge_resizes_is_part_of_what_was_trained() -> None:
    data = latent()
    out = {"channels": 4, "scale": 2, "space": "vae"}
    data["stages"].append({"name": "up", "role": "bridge", "inputs": {"low": {"from": "base"}}, "out": out})
    said = examples.changed(copy.deepcopy(data), "stages.1.inputs.low.resize_in", "latents")
    pixels = examples.changed(copy.deepcopy(data), "stages.1.inputs.low.resize_in", "pixels")
    assert ids(said) == ids(data)
    assert ids(pixels)[1][1] != ids(data)[1][1]


def test_the_name_of_a_codec_is_not() -> None:
    other = latent()
    other["codecs"] = {"sd": other["codecs"]["vae"]}
    other["stages"][0]["out"]["space"] = "sd"
    assert ids(other) == ids(latent())


def test_kinds_that_are_not_trained_know_no_data_and_no_dropout() -> None:
    data = {
        "name": "exact", "data": {"kind": "bundled"}, "condition": {"text": {"dropout": 0.1}},
        "stages": [
            {"name": "base", "role": "base", "kind": "gaussian", "size": [16, 16], "out": {"size": [8, 8]}},
            {"name": "pipe", "role": "bridge", "kind": "pipeline", "load": "a/b", "from": "base"},
            {"name": "last", "role": "bridge", "kind": "empirical", "data": {"kind": "bundled"}, "from": "pipe"},
        ],
    }  # fmt: skip
    assert after({"data": {"kind": "shapes"}}, data) == (False, [False, False, False])
    assert after({"condition.text.dropout": 0.2}, data) == (False, [False, False, False])
    assert after({"condition.text.encoder": "some/encoder"}, data) == (True, [False, False, False])
    assert after({"stages.2.data": {"kind": "shapes"}}, data) == (True, [False, False, True])


def test_gradient_checkpointing_changes_no_weights() -> None:
    data = examples.changed(examples.linear(), "stages.0.train", {"steps": 5})
    assert after({"stages.0.train.gradient_checkpointing": True}, data) == (False, [False, False, False])


def test_upstream_counts_only_where_it_is_trained_on() -> None:
    data = examples.changed(examples.linear(), "stages.1.train", {"generated": 0.5})
    width = {"stages.0.network": {"kind": "unet", "width": 32}}
    assert after(width, data) == (True, [True, True, False])
    data["stages"][2]["train"] = {"generated": 0.1}
    assert after(width, data) == (True, [True, True, True])
    assert after({"stages.0.solver": {"steps": 3}}, data) == (True, [False, False, False])


def test_renaming_upstream_keeps_weights() -> None:
    data = examples.changed(examples.linear(), "stages.0.name", "first")
    data["stages"][1]["inputs"]["low"]["from"] = "first"
    assert ids(data)[1] == ids(examples.linear())[1]
    assert ids(data)[0] != ids(examples.linear())[0]


def test_the_order_in_the_file_changes_nothing() -> None:
    data = examples.linear()
    data["stages"].reverse()
    run, weights = ids(data)
    assert (run, weights[::-1]) == ids(examples.linear())


def test_a_size_left_to_the_run_is_an_identity_too() -> None:
    data = examples.linear()
    del data["stages"][0]["out"]["size"]
    assert ids(data)[0] != ids(examples.linear())[0]
    assert len(set(ids(data)[1])) == 3


def test_masks_enter_by_grid() -> None:
    data = {
        "name": "inpaint", "inputs": {"a": {"size": [16, 16]}, "m": {"size": [16, 16], "channels": 1}},
        "stages": [
            {"name": "base", "role": "base", "out": {"size": [16, 16]}},
            {"name": "up", "role": "bridge",
             "inputs": {"low": {"from": ["base", "input.a"], "merge": "mask", "mask": "input.m"}}},
        ],
    }  # fmt: skip
    assert after({"inputs.m.size": [8, 8]}, data) == (True, [False, True])


def test_ids_are_golden() -> None:
    """Trained weights lie about under these ids: a change here breaks every cascade that exists."""
    assert ids(examples.linear()) == GOLDEN


GOLDEN = ("7bb60b4b8e827e32", ["33385aa1a629e144", "f2189eb941a27f80", "6de007367aa90121"])


def test_unknown_stage() -> None:
    with pytest.raises(SpecError, match="stage 'bas': is unknown. Did you mean 'base'"):
        stage_weights_id(parse(examples.linear()), "bas")
