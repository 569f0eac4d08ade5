"""One more bridge: in the farthest jump, in whole factors, in a file that checks and ends on the same grid."""

from __future__ import annotations

import pytest

from dynaxx.engine.cascade import Cascade
from dynaxx.errors import SpecError
from dynaxx.plan.propose.insert import insert
from dynaxx.spec.files import dump, loads, parse
from dynaxx.spec.graph import nodes
from dynaxx.spec.plain import plain

SMALL = {"width": 8, "mults": [1, 2], "blocks": 1, "attention": []}


def cascade(*factors, base=8, axes=2):
    """A line of small stages."""
    stages = [{"name": "base", "role": "base", "network": SMALL, "out": {"size": [base] * axes}, "train": {"steps": 9}}]
    for i, factor in enumerate(factors):
        before = "base" if i == 0 else f"s{i}"
        stages.append({
            "name": f"s{i + 1}", "role": "bridge", "network": SMALL, "solver": {"steps": 4},
            "inputs": {"low": {"from": before, "noise": {"train_std": [0.0, 0.6], "std": 0.1}}},
            "out": {"scale": factor}, "train": {"steps": 9, "crop": [16] * axes},
        })  # fmt: skip
    return parse({"name": "line", "stages": stages})


@pytest.mark.parametrize(
    ("factors", "grids", "after"),
    [
        ((4,), [8, 16, 32], "base"),
        ((2, 4), [8, 16, 32, 64], "s1"),
        ((4, 4), [8, 32, 64, 128], "s1"),
        ((8,), [8, 32, 64], "base"),
        ((6,), [8, 24, 48], "base"),
    ],
)
def test_it_goes_into_the_farthest_jump(factors, grids, after):
    spec = cascade(*factors)
    found = insert(spec)
    assert [node.grid.size for node in nodes(found.spec)] == [(side, side) for side in grids]
    assert found.after == after
    assert loads(dump(found.spec)) == found.spec
    assert len(found.spec.stages) == len(spec.stages) + 1
    bridge = next(stage for stage in found.spec.stages if stage.name == found.name)
    assert bridge.inputs["low"].noise.train_std == (0.0, 0.6)
    assert bridge.train.steps == 9
    assert found.name in found.reasons[0].choice
    assert any("trained again" in reason.choice for reason in found.reasons)


def test_the_longer_cascade_runs():
    spec = insert(cascade(4)).spec
    x = Cascade.from_spec(spec, fresh=True).sample(num=2).x
    assert x.shape == (2, 3, 32, 32)


def test_axes_that_do_not_jump_are_left_to_the_stage_that_has_them():
    spec = cascade({"t": 2, "hw": 4}, axes=3)
    assert [node.grid.size for node in nodes(insert(spec).spec)] == [(8, 8, 8), (8, 16, 16), (16, 32, 32)]


@pytest.mark.parametrize("factors", [(), (2,), (2, 2), (3,)])
def test_where_no_stage_jumps_far_it_is_said(factors):
    with pytest.raises(SpecError, match="jumps far enough"):
        insert(cascade(*factors))


def test_a_far_jump_that_is_no_product_is_not_called_too_short():
    with pytest.raises(SpecError, match=r"no far jump splits into whole factors \(base -> s1 x5\)") as caught:
        insert(cascade(5))
    assert "far enough" not in str(caught.value)


def test_the_farthest_is_called_so_only_where_it_is():
    found = insert(cascade(5, 4))
    assert (found.after, found.before) == ("s1", "s2")
    said = found.reasons[0].why
    assert "the farthest jump that can be split" in said
    assert "no whole factors split base -> s1 x5" in said
    assert "smaller" not in said
    assert "that can be split" not in insert(cascade(5, 6)).reasons[0].why


def test_the_bridge_does_with_its_input_what_the_child_does():
    data = plain(cascade(4))
    data["stages"][1] |= {
        "process": {"kind": "karras", "std_max": 60.0}, "prediction": "x",
        "inputs": {"low": {
            "from": "base", "resize": "bilinear", "blur": {"train_std": [0.0, 0.6], "std": 0.3},
            "noise": {"train_std": [0.0, 0.2], "std": 0.05, "form": "preserving"},
        }},
    }  # fmt: skip
    spec = parse(data)
    child, found = spec.stages[1], insert(spec)
    bridge = next(stage for stage in found.spec.stages if stage.name == found.name)
    assert bridge.process == child.process
    assert bridge.prediction == "x"
    assert bridge.inputs["low"] == child.inputs["low"]
    assert "noised and blurred as s1's" in " ".join(reason.choice for reason in found.reasons)


def test_a_child_without_noise_is_said_to_have_none():
    data = plain(cascade(4))
    data["stages"][1]["inputs"]["low"] = {"from": "base", "resize": "area"}
    found = insert(parse(data))
    bridge = next(stage for stage in found.spec.stages if stage.name == found.name)
    assert bridge.inputs["low"].resize == "area"
    assert bridge.inputs["low"].noise.std == 0.1
    assert "s1 puts none on" in " ".join(reason.why for reason in found.reasons)


def test_the_reason_names_the_axis_that_is_split():
    choices = [reason.choice for reason in insert(cascade({"t": 5, "hw": 4}, axes=3)).reasons]
    assert "x4 becomes x2, then x2" in choices


def test_names_that_are_taken_are_left_alone():
    spec = cascade(4)
    once = insert(spec).spec
    stages = [stage.model_dump(by_alias=True) for stage in once.stages]
    assert "bridge" in [stage["name"] for stage in stages]
    longer = parse({"name": "line", "stages": [*stages, {
        "name": "last", "role": "refine", "network": SMALL, "from": "s1", "out": {"scale": 4},
    }]})  # fmt: skip
    assert insert(longer).name == "bridge-2"
