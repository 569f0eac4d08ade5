"""A stage that runs in tiles costs a tuning what the plan says of it: every tile."""

from __future__ import annotations

import pytest

from dynaxx.engine.cascade import Cascade
from dynaxx.evolve.tune.cost import Costs
from dynaxx.plan.predict import plan_run
from dynaxx.spec.graph import nodes


@pytest.mark.parametrize("tile", [None, 24])
def test_every_tile_is_counted(tile: int | None) -> None:
    cascade = Cascade.from_pretrained("emoji-64")
    if tile is not None:
        cascade = cascade.with_settings({"refine.tile": tile})
    planned = plan_run(cascade.spec, nodes(cascade.spec)).nodes
    assert Costs(cascade).of(cascade).by_stage == pytest.approx({one.node.name: one.flops for one in planned})
