"""Settings by path."""

from __future__ import annotations

from typing import Any

import pytest
import spec_examples as examples

from dynaxx.errors import SpecError
from dynaxx.spec import CascadeSpec, override, parse
from dynaxx.spec.solver import SolverSpec

DATA = examples.changed(examples.linear(), "stages.2.inputs.context", {"from": "bridge"})
SPEC = parse(DATA | {"condition": {"text": {}}})


def at(spec: CascadeSpec, path: str) -> Any:
    """What stands at `stages.0.solver.steps` in the dumped spec."""
    here: Any = spec.model_dump(by_alias=True)
    for key in path.split("."):
        here = here[int(key)] if key.isdigit() else here[key]
    return here


CASES = [
    ("bridge.solver.steps", 10, "stages.1.solver.steps", 10),
    ("bridge.solver.steps", "10", "stages.1.solver.steps", 10),
    ("bridge.inputs.low.noise.std", 0.2, "stages.1.inputs.low.noise.std", 0.2),
    ("refine.inputs.low.noise.std", "1e-2", "stages.2.inputs.low.noise.std", 0.01),
    ("base.out.size", [32, 32], "stages.0.out.size", (32, 32)),
    ("base.out.size", "[32, 32]", "stages.0.out.size", (32, 32)),
    ("base.solver.guidance.interval", "[0.1, 2]", "stages.0.solver.guidance.interval", (0.1, 2.0)),
    ("base.solver", SolverSpec(steps=3), "stages.0.solver.steps", 3),
    ("base.solver.kind", "heun", "stages.0.solver.kind", "heun"),
    ("base.process.kind", "karras", "stages.0.process.kind", "karras"),
    ("bridge.inputs.low.noise", None, "stages.1.inputs.low.noise", None),
    ("refine.inputs.context", {"from": "base", "via": "concat"}, "stages.2.inputs.context.from", "base"),
    ("budget.latency_s", 2, "budget.latency_s", 2.0),
    ("name", "other", "name", "other"),
    ("refine.from", "base", "stages.2.inputs.low.from", "base"),
    ("bridge.out.scale.h", "4", "stages.1.out.scale", {"w": 2.0, "h": 4.0}),
    ("bridge.out.scale.hw", "4", "stages.1.out.scale", {"hw": 4.0}),
    ("bridge.inputs.low.resize.h", "area", "stages.1.inputs.low.resize", {"w": "bicubic-antialias", "h": "area"}),
    ("description", "a: b", "description", "a: b"),
    ("description", "yes", "description", "yes"),
    ("description", "[1", "description", "[1"),
    ("description", "'123'", "description", "123"),
    ("description", "", "description", ""),
    ("base.weights", "123", "stages.0.weights", "123"),
    ("base.weights", "null", "stages.0.weights", None),
    ("base.solver.steps", "null", "stages.0.solver.steps", 24),
]


@pytest.mark.parametrize(("path", "value", "place", "found"), CASES)
def test_sets(path: str, value: Any, place: str, found: Any) -> None:
    assert at(override(SPEC, {path: value}), place) == found


def test_a_new_kind_keeps_what_it_has_too() -> None:
    spec = override(SPEC, {"base.solver.steps": 7, "base.solver.kind": "heun", "base.process.kind": "flow"})
    assert at(spec, "stages.0.solver") | {"kind": "", "guidance": 0} == at(SPEC, "stages.0.solver") | {
        "kind": "", "guidance": 0, "steps": 7,
    }  # fmt: skip
    assert override(spec, {"base.process.kind": "karras"}).stages[0] != spec.stages[0]


OWN = {
    "diffusion": {}, "gaussian": {"size": "[16, 16]"}, "empirical": {"data": "{kind: bundled}"}, "regression": {},
    "gan": {}, "pipeline": {"load": "x"}, "custom": {"target": "a:B"},
}  # fmt: skip


@pytest.mark.parametrize("kind", OWN)
def test_to_every_kind(kind: str) -> None:
    settings = {"base.kind": kind} | {f"base.{key}": value for key, value in OWN[kind].items()}
    stage = override(SPEC, settings).stages[0]
    assert (stage.kind, stage.name, stage.out.size) == (kind, "base", (16, 16))


def test_a_kind_among_free_options_is_an_option() -> None:
    spec = override(SPEC, {"base.kind": "custom", "base.target": "a:B", "base.options": {"x": 1}})
    assert at(override(spec, {"base.options.kind": "new"}), "stages.0.options") == {"x": 1, "kind": "new"}


def test_groups_of_axes_are_taken_apart() -> None:
    spec = override(parse(examples.linear(3)), {"bridge.out.scale": "{t: 1, hw: 2}", "bridge.out.scale.w": 4})
    assert at(spec, "stages.1.out.scale") == {"t": 1.0, "h": 2.0, "w": 4.0}


def test_a_missing_section_is_made() -> None:
    low = SPEC.stages[2].inputs["low"]
    assert (low.std, low.blur_std) == (0.0, 0.0)
    low = override(SPEC, {"refine.inputs.low.blur.std": 0.5}).stages[2].inputs["low"]
    assert (low.std, low.blur_std) == (0.0, 0.5)


def test_the_original_is_untouched() -> None:
    before = SPEC.model_dump()
    override(SPEC, {"base.solver.steps": 1})
    assert SPEC.model_dump() == before
    assert override(SPEC, {}) == SPEC


BAD = [
    ({"bas.solver.steps": 1}, "bas.solver.steps: 'bas' is unknown. Did you mean 'base'?"),
    ({"base.solvr.steps": 1}, "'solvr' is unknown. Did you mean 'solver'?"),
    ({"base.solver.stps": 1}, "'stps' is unknown. Did you mean 'steps'?"),
    ({"bridge.inputs.lo.noise.std": 1}, "'lo' is unknown. Did you mean 'low'?"),
    ({"base": 1}, "base: names a whole stage. Name a setting of it"),
    ({"base.role.x": 1}, "base.role.x: 'role' is 'base', which has no parts"),
    ({"base.out.size": "[1"}, "base.out.size, line"),
    ({"base.solver.steps": 0}, "stages.0 (base).solver.steps: expects at least 1, but got 0"),
    ({"bridge.inputs.low.noise.std": 3}, "3 lies outside train_std"),
    ({"": 1}, "'' is unknown"),
    ({"base.solver.steps": ""}, "base.solver.steps: is given no value. Give one; `null` takes it back"),
    ({"stages.0.solver.steps": 1}, "'stages' is a list, which has no parts. Begin with a stage's name."),
    ({"stages": 5, "base.solver.steps": 1}, "'base' is unknown"),
    ({"base.kind": None, "base.solver.steps": 0}, "steps: expects at least 1, but got 0"),
]


@pytest.mark.parametrize(("settings", "said"), BAD)
def test_refuses(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError) as caught:
        override(SPEC, settings)
    assert said in str(caught.value)
