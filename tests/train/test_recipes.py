"""The recipes load, and each of their stages trains and draws."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

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
    cascade = Cascade.from_pretrained(tmp_path)
    assert cascade.sample("a red circle").x.shape == (1, 3, *[SIZES[name][-1]] * 2)


def test_every_recipe_is_tried() -> None:
    assert {path.stem for path in RECIPES.glob("*.yaml")} == set(SIZES)


def test_a_cascade_knows_the_words_of_its_captions_and_takes_them_along(tmp_path: Path) -> None:
    changes = {"base.train.steps": 1, "base.train.batch_size": 2, "base.solver.steps": 1, "base.solver.guidance": 1}
    data = {"kind": "shapes", "count": 8, "size": [64, 64]}
    train(override(load(RECIPES / "emoji-single.yaml"), {**changes, "data": data}), out=tmp_path / "run")
    trained = Cascade.from_pretrained(tmp_path / "run")
    moved = Cascade.from_pretrained(trained.save_pretrained(tmp_path / "moved"))
    spec = load(tmp_path / "run" / "cascade.yaml")
    (base,) = (stage.model_copy(update={"weights": "run/stages/base"}) for stage in spec.stages)
    beside = Cascade.from_spec(spec.model_copy(update={"stages": (base,)}), root=tmp_path)
    for cascade in (trained, moved, beside):
        assert cascade.notes(["crimson zqxvkj"]) == ("'crimson' is taken for 'purple'", "'zqxvkj' is not understood")
        same = [cascade.sample(prompt).x for prompt in ("crimson", "purple")]
        assert torch.equal(*same)
