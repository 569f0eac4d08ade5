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
    {"stages.0.weights": "elsewhere"},
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


GOLDEN = ("69eb201e71c85b7b", ["1dc4e9e9d98623b8", "d9c9ca0126e3dc5c", "b7c195e9d58bf9e9"])


def test_unknown_stage() -> None:
    with pytest.raises(SpecError, match="stage 'bas': is unknown. Did you mean 'base'"):
        stage_weights_id(parse(examples.linear()), "bas")
