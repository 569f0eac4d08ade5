"""The recipes load, and each of their stages trains and draws."""

from __future__ import annotations

from pathlib import Path

import pytest

from dynaxx.engine.cascade import Cascade
from dynaxx.spec.files import load
from dynaxx.spec.graph import nodes
from dynaxx.spec.override import override
from dynaxx.train import train

RECIPES = Path(__file__).parents[2] / "recipes"
SIZES = {"shapes": [8, 16, 32], "emoji": [16, 32, 64], "emoji-single": [64]}


@pytest.mark.parametrize("name", sorted(SIZES))
def test_recipe_trains(name: str, tmp_path: Path) -> None:
    spec = load(RECIPES / f"{name}.yaml")
    assert [node.grid.size for node in nodes(spec)] == [(size, size) for size in SIZES[name]]
    short = {"steps": 1, "batch_size": 2}
    settings = {f"{stage.name}.train.{key}": value for stage in spec.stages for key, value in short.items()}
    settings |= {f"{stage.name}.solver.steps": 1 for stage in spec.stages}
    data = {"kind": "shapes", "count": 2, "size": [SIZES[name][-1]] * 2}
    trained = train(override(spec, {**settings, "data": data}), out=tmp_path)
    assert list(trained.stages) == ["base", "bridge", "refine"][: len(SIZES[name])]
    assert Cascade.from_pretrained(tmp_path).sample("a red circle").x.shape == (1, 3, *[SIZES[name][-1]] * 2)


def test_every_recipe_is_tried() -> None:
    assert {path.stem for path in RECIPES.glob("*.yaml")} == set(SIZES)
