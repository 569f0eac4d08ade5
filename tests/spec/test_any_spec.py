"""Whatever is written: a right cascade is stable, a wrong one is a SpecError and nothing else."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spec_strategies import ANYTHING, cascades, mutated

from dynaxx.errors import SpecError
from dynaxx.spec import describe, dump, loads, nodes, override, parse, run_id, stage_weights_id

MANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
KEYS = ["base-0", "solver", "kind", "inputs", "low", "process", "stages", "0", "guidance", "out"]


@MANY
@given(cascades())
def test_yaml_spec_yaml_is_stable(data: dict[str, Any]) -> None:
    spec = parse(data)
    text = dump(spec)
    again = loads(text)
    assert again == spec
    assert dump(again) == text
    assert run_id(again) == run_id(spec)


@MANY
@given(cascades(), st.randoms(use_true_random=False))
def test_ids_know_no_order_and_no_defaults(data: dict[str, Any], random: Any) -> None:
    spec = parse(data)
    full = parse(spec.model_dump(by_alias=True))
    random.shuffle(data["stages"])
    shuffled = parse(data)
    assert run_id(spec) == run_id(full) == run_id(shuffled)
    for stage in spec.stages:
        assert stage_weights_id(spec, stage.name) == stage_weights_id(full, stage.name)
        assert stage_weights_id(spec, stage.name) == stage_weights_id(shuffled, stage.name)


@MANY
@given(cascades())
def test_nodes_come_after_what_they_read(data: dict[str, Any]) -> None:
    spec = parse(data)
    seen = {f"input.{name}" for name in spec.inputs}
    for node in nodes(spec):
        assert seen.issuperset(node.parents)
        assert all(given.grid.axes == node.grid.axes for given in node.inputs.values())
        seen.add(node.name)
    assert len(seen) - len(spec.inputs) == sum(stage.repeat.times if stage.repeat else 1 for stage in spec.stages)
    for told, node in zip(describe(spec).nodes, nodes(spec), strict=True):
        assert (told.name, told.parents, told.grid_out) == (node.name, node.parents, str(node.grid))
        assert told.levels == {
            key: given.edge.level for key, given in node.inputs.items() if given.edge.level is not None
        }


def only_spec_errors(text: str) -> None:
    """Load a text; where it is a cascade after all, everything else works on it too."""
    try:
        spec = loads(text)
    except SpecError:
        return
    assert loads(dump(spec)) == spec
    describe(spec)


@settings(parent=MANY, max_examples=120)
@given(mutated())
def test_mutated_cascades(data: dict[str, Any]) -> None:
    only_spec_errors(yaml.safe_dump(data, allow_unicode=True))


@MANY
@given(st.text())
def test_any_text(text: str) -> None:
    only_spec_errors(text)


@MANY
@given(ANYTHING)
def test_any_data(data: Any) -> None:
    only_spec_errors(yaml.safe_dump(data))
    only_spec_errors(yaml.safe_dump({"name": "a", "stages": data}))
    only_spec_errors(yaml.safe_dump({"name": "a", "stages": [{"name": "b", "role": "base", "from": data}]}))


@MANY
@given(st.lists(st.sampled_from(KEYS)), ANYTHING, cascades())
def test_any_setting(keys: list[str], value: Any, data: dict[str, Any]) -> None:
    spec = parse(data)
    try:
        changed = override(spec, {".".join(keys): value})
    except SpecError:
        return
    assert loads(dump(changed)) == changed
