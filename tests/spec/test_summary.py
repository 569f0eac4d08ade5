"""A cascade at a glance."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import spec_examples as examples

from dynaxx.errors import SpecError
from dynaxx.spec import describe, nodes, parse, run_id, stage_weights_id


def test_says_what_each_node_does() -> None:
    spec = parse(examples.recursive() | {"condition": {"label": {"classes": 2}}})
    told = describe(spec)
    assert told.run_id == run_id(spec)
    assert told.condition == ("label",)
    assert [node.name for node in told.nodes] == [node.name for node in nodes(spec)]
    assert [node.parents for node in told.nodes] == [node.parents for node in nodes(spec)]
    assert [node.grid_out for node in told.nodes] == [str(node.grid) for node in nodes(spec)]
    assert [node.levels for node in told.nodes[1:4]] == [{"low": 0.3}, {"low": 0.2}, {"low": 0.1}]
    assert told.nodes[2].grids_in == {"low": "3x32x32"}
    assert {node.weights_id for node in told.nodes[1:4]} == {stage_weights_id(spec, "up")}
    assert json.loads(json.dumps(told.to_json()))["nodes"][0]["steps"] == 24


def test_sizes_left_to_the_run_stay_open() -> None:
    data = examples.linear()
    del data["stages"][0]["out"]["size"]
    data["stages"][2] |= {"kind": "regression"}
    del data["stages"][2]["process"]
    told = describe(parse(data))
    assert [node.grid_out for node in told.nodes] == ["?", "?", "?"]
    assert (told.nodes[2].process, told.nodes[2].steps) == (None, None)
    assert [node.grid_out for node in describe(parse(data), size=(8, 8)).nodes] == ["3x8x8", "3x16x16", "3x16x16"]


def once() -> dict[str, Any]:
    """A stage that repeats once, at a level of its own."""
    return examples.changed(examples.recursive(), "stages.1.repeat", {"times": 1, "std": [0.3]})


SHAPES = [examples.linear, examples.parallel, examples.recursive, examples.hand_over, once]


@pytest.mark.parametrize("make", SHAPES, ids=lambda make: make.__name__)
def test_the_table_is_the_graph(make: Callable[[], dict[str, Any]]) -> None:
    spec = parse(make())
    graph, told = nodes(spec), describe(spec).nodes
    assert [row.name for row in told] == [node.name for node in graph]
    assert [row.parents for row in told] == [node.parents for node in graph]
    assert [row.grid_out for row in told] == [str(node.grid) for node in graph]
    for row, node in zip(told, graph, strict=True):
        assert row.grids_in == {key: str(given.grid) for key, given in node.inputs.items()}
        put_on = {key: given.edge.noise.std for key, given in node.inputs.items() if given.edge.noise}
        handed = {key: given.edge.hand_std for key, given in node.inputs.items() if given.edge.hand == "noisy"}
        assert row.levels == put_on | handed


def test_one_pass_has_the_level_that_repeat_gives_it() -> None:
    assert describe(parse(once())).nodes[1].levels == {"low": 0.3}
    assert nodes(parse(once()))[1].inputs["low"].edge.std == 0.3


def test_a_size_that_does_not_fit() -> None:
    spec = parse(examples.changed(examples.linear(), "stages.1.out", {"size": [32, 32]}))
    with pytest.raises(SpecError, match="smaller than its low input's 64x64"):
        describe(spec, size=(64, 64))
