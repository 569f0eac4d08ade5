"""A stage in tiles takes the memory of one tile beside whole signals, and the work and time of all."""

from __future__ import annotations

from typing import Any

import pytest
from meter import allocated
from tests.plan.measured import request

from dynaxx.engine.tiles import run_tiled
from dynaxx.plan.node_plan import NodePlan
from dynaxx.plan.predict import plan_run
from dynaxx.plan.tiles import one_tile, tiles_of
from dynaxx.plan.time.devices import device_named
from dynaxx.plan.told import Teller
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.files import parse
from dynaxx.spec.graph import Node, nodes
from dynaxx.stage.build import build_stages


def planned(side: int, tile: int | None) -> tuple[CascadeSpec, Node, NodePlan]:
    stage: dict[str, Any] = {
        "name": "up", "role": "bridge", "network": {"width": 32, "mults": [1, 2], "blocks": 1, "attention": []},
        "inputs": {"low": {"from": "input.low", "noise": {"train_std": [0, 0.5], "std": 0.1}}}, "out": {"scale": 2},
        "solver": {"steps": 3},
    }  # fmt: skip
    given = {"low": {"channels": 3, "size": [side, side]}}
    spec = parse({"name": "x", "inputs": given, "stages": [stage | ({"tile": tile} if tile else {})]})
    node = nodes(spec)[0]
    return spec, node, plan_run(spec, [node], samples=2, batch=2).nodes[0]


def test_the_peak_is_what_the_allocator_gives_out() -> None:
    spec, node, one = planned(96, 32)

    def work() -> None:
        stage, asked = build_stages(spec, [node], fresh=True)["up"], request(spec, node, 2)
        run_tiled(node, tiles_of(node), asked, stage.run)

    assert len(tiles_of(node)) == 16
    assert one.own_bytes == pytest.approx(allocated(work), rel=0.05)
    assert one.own_bytes < 0.5 * planned(96, None)[2].own_bytes


def test_work_and_time_are_those_of_every_tile() -> None:
    spec, node, one = planned(96, 32)
    _, _, small = planned(32, None)
    part, count = one_tile(node)
    assert part.grid.size == (64, 64)
    assert one.flops == pytest.approx(count * small.flops)
    teller = Teller(device_named("t4"), spec.condition)
    assert one.profile is not None
    assert small.profile is not None
    all_of = teller.seconds(node, one.profile, one.work, samples=2, batch=2).value
    each = teller.seconds(small.node, small.profile, small.work, samples=2, batch=2).value
    assert all_of == pytest.approx(count * each)


def test_a_stage_that_fits_one_tile_is_planned_whole() -> None:
    assert planned(32, 32)[2].own_bytes == planned(32, None)[2].own_bytes
    assert planned(32, 64)[2].flops == planned(32, None)[2].flops
