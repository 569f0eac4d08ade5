"""Every shape of cascade becomes one list of nodes, on one to three axes."""

from __future__ import annotations

import math

import pytest
import spec_examples as examples

from dynaxx.errors import SpecError
from dynaxx.spec import loads, nodes, parse
from dynaxx.spec.grids import kernels


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_linear(rank: int) -> None:
    base, bridge, refine = nodes(parse(examples.linear(rank)))
    size = tuple(examples.SIZES[rank])
    double = tuple(2 * n for n in size)
    assert [node.name for node in (base, bridge, refine)] == ["base", "bridge", "refine"]
    assert (base.grid.size, bridge.grid.size, refine.grid.size) == (size, double, double)
    assert (base.parents, bridge.parents, refine.parents) == ((), ("base",), ("bridge",))
    assert bridge.inputs["low"].grid.size == size
    assert bridge.grid.channels == 3
    assert bridge.grid.sites == math.prod(double)
    assert [node.index for node in (base, bridge, refine)] == [0, 1, 2]


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_parallel_runs_parents_first_and_adds_channels(rank: int) -> None:
    left, right, join = nodes(parse(examples.parallel(rank)))
    assert (left.name, right.name, join.name) == ("left", "right", "join")
    assert join.index == 0
    assert join.parents == ("left", "right")
    assert join.inputs["low"].grid.channels == 3


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_recursive_unrolls_and_each_pass_reads_the_one_before(rank: int) -> None:
    base, one, two, three, last = nodes(parse(examples.recursive(rank)))
    assert [node.name for node in (one, two, three)] == ["up@1", "up@2", "up@3"]
    assert [node.iteration for node in (base, one, two, three)] == [1, 1, 2, 3]
    assert [node.parents for node in (one, two, three, last)] == [("base",), ("up@1",), ("up@2",), ("up@3",)]
    assert [node.inputs["low"].edge.std for node in (one, two, three)] == [0.3, 0.2, 0.1]
    assert three.grid.size == tuple(8 * n for n in base.grid.size)
    assert two.inputs["low"].grid == one.grid


def test_merge_is_done_in_the_first_pass_only() -> None:
    data = examples.parallel()
    data["stages"][0] |= {"merge": "weighted", "repeat": {"times": 2}}
    data["stages"][1]["out"]["channels"] = data["stages"][2]["out"]["channels"] = 3
    data["stages"][0]["inputs"] = {"low": {"from": ["left", "right"], "merge": "weighted", "weights": [1, 3]}}
    del data["stages"][0]["from"], data["stages"][0]["merge"]
    *_, one, two = nodes(parse(data))
    assert one.inputs["low"].edge.weights == (1, 3)
    assert (two.inputs["low"].edge.merge, two.inputs["low"].edge.weights) == (None, None)
    assert two.parents == ("join@1",)


def test_video_scales_time_and_space_apart() -> None:
    data = examples.changed(examples.linear(3), "stages.1.out.scale", {"t": 3, "hw": 2})
    assert nodes(parse(data))[1].grid.size == (12, 32, 32)
    data = examples.changed(examples.linear(3), "stages.1.out.scale", {"t": 2})
    assert nodes(parse(data))[1].grid.size == (8, 16, 16)


def test_hand_over_stops_the_upstream() -> None:
    base, refine = nodes(parse(examples.hand_over()))
    assert (base.stop_std, refine.stop_std) == (0.5, None)


def test_size_may_be_given_per_run() -> None:
    data = examples.linear()
    del data["stages"][0]["out"]["size"]
    spec = parse(data)
    assert [node.grid.size for node in nodes(spec, size=(8, 12))] == [(8, 12), (16, 24), (16, 24)]
    with pytest.raises(SpecError, match=r"stages\.0 \(base\)\.out\.size: is given nowhere\. .*--size"):
        nodes(spec)


def test_a_size_for_this_run_goes_before_the_file_and_must_fit() -> None:
    assert nodes(parse(examples.linear()), size=(8, 8))[-1].grid.size == (16, 16)
    data = examples.changed(examples.linear(), "stages.1.out", {"size": [32, 32]})
    with pytest.raises(SpecError, match="gives 32x32, smaller than its low input's 64x64"):
        nodes(parse(data), size=(64, 64))
    with pytest.raises(SpecError, match="has the axes l from 'base', but the output h, w"):
        nodes(parse(data), size=(64,))


def test_one_size_cannot_stand_for_several() -> None:
    data = examples.changed(examples.parallel(), "stages.2.out.size", [8, 8])
    with pytest.raises(SpecError, match="^size: 4x4 cannot stand .*: 'left' 16x16, 'right' 8x8. Set each stage's own"):
        nodes(parse(data), size=(4, 4))
    assert nodes(parse(examples.parallel()), size=(4, 4))[-1].grid.size == (8, 8)


def test_user_inputs_are_parents_and_masks_are_read() -> None:
    spec = loads(
        """
        name: inpaint
        inputs: {image: {size: [32, 32]}, mask: {channels: 1, size: [32, 32]}}
        stages:
          - {name: base, role: base, out: {size: [16, 16]}}
          - name: fill
            role: bridge
            inputs: {low: {from: [input.image, base], merge: mask, mask: input.mask}}
        """
    )
    base, fill = nodes(spec)
    assert fill.parents == ("input.image", "base", "input.mask")
    assert fill.grid.size == (32, 32)
    assert base.inputs == {}


def test_kernels_are_given_per_axis() -> None:
    spec = parse(examples.changed(examples.linear(3), "stages.1.inputs.low.resize", {"hw": "area", "t": "nearest"}))
    assert kernels(spec.stages[1].inputs["low"], (4, 8, 8)) == ("nearest", "area", "area")
    spec = parse(examples.changed(examples.linear(3), "stages.1.inputs.low.resize", {"hw": "area"}))
    assert kernels(spec.stages[1].inputs["low"], (4, 8, 8)) == ("bicubic-antialias", "area", "area")
    assert kernels(spec.stages[2].inputs["low"], (8,)) == ("bicubic-antialias",)
