"""A rehearsal without memory says what the allocator gives out in a real run, and how many FLOPs it takes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from meter import allocated
from tests.plan.measured import sampled, trained
from torch.utils.flop_counter import FlopCounterMode

from dynaxx.errors import RunError
from dynaxx.plan.growth import Scale, evaluate
from dynaxx.plan.profile import Profile
from dynaxx.plan.rehearse import rehearse
from dynaxx.plan.walk import evaluations
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.files import parse
from dynaxx.spec.graph import Node, nodes
from dynaxx.stage.build import build_bare
from dynaxx.stage.stage import Request
from dynaxx.store.strict_json import strict_json

LOW = {"from": "input.low", "noise": {"train_std": [0, 0.5], "std": 0.1}}


def one(size: list[int], *, low: bool = False, text: bool = False, **rest: Any) -> tuple[CascadeSpec, Node]:
    stage = {"name": "s", "role": "base", "out": {"size": size}, **rest}
    stage |= {"role": "bridge", "inputs": {"low": LOW}} if low else {}
    asks = {"condition": {"text": {"width": 32}}} if text else {}
    spec = parse({"name": "x", "stages": [stage], "inputs": {"low": {"size": size}} if low else {}, **asks})
    return spec, nodes(spec)[0]


def net(width: int, mults: list[int], attention: list[int]) -> dict[str, Any]:
    return {"width": width, "mults": mults, "blocks": 1, "attention": attention}


CASES = {
    "guided, attention, text": one(
        [16, 16], text=True, network=net(32, [1, 2], [0]), solver={"steps": 4, "guidance": 2.0, "kind": "dpmpp-2m"}
    ),
    "bridge, karras, heun": one(
        [24, 24], low=True, network=net(24, [1, 3], []), process={"kind": "karras"}, solver={"kind": "heun", "steps": 4}
    ),
    "three axes": one([8, 8, 8], network=net(32, [1, 2], [1]), solver={"kind": "ancestral", "steps": 4}),
    "one axis": one([256], network=net(32, [1, 2], [1]), process={"kind": "flow"}, solver={"kind": "ddim", "steps": 4}),
    "odd size": one([19, 13], network=net(32, [1, 2], [1]), solver={"steps": 4}),
    "regression": one([16, 16], low=True, kind="regression", network=net(32, [1, 2], [1])),
}


def scale_for(node: Node) -> Scale:
    size, cell = node.grid.size, 2
    even = all(n % cell == 0 for n in size)
    return Scale(len(size), cell) if even else Scale(len(size), 1, fixed=size)


@pytest.mark.parametrize("name", CASES)
def test_peak_of_sampling_is_what_the_allocator_gives_out(name: str) -> None:
    spec, node = CASES[name]
    profile = rehearse(node, spec.condition, scale_for(node), mode="sample")
    assert profile.peak_bytes(4, node.grid.size) == pytest.approx(allocated(sampled(spec, node, 4)), rel=0.02)


@pytest.mark.parametrize("name", ["guided, attention, text", "bridge, karras, heun", "three axes", "regression"])
def test_peak_of_training_is_what_the_allocator_gives_out(name: str) -> None:
    spec, node = CASES[name]
    profile = rehearse(node, spec.condition, scale_for(node), mode="train")
    assert profile.peak_bytes(4, node.grid.size) == pytest.approx(allocated(trained(spec, node, 4)), rel=0.02)


def counted(spec: CascadeSpec, node: Node, batch: int) -> int:
    """FLOPs of a whole walk by torch's counter, on the meta device, where it sees attention."""
    from dynaxx.plan.stand_in import META, StandIn

    found = StandIn(node, spec.condition, Scale(2, 1, fixed=node.grid.size))
    stage, condition = build_bare(node, spec.condition, node.grid), found.condition().take(range(batch))
    inputs = {name: type(x)(x.x[:batch], x.x[:batch], std=x.std) for name, x in found.inputs().items()}
    from dynaxx.signal.random import Draws

    asked = Request(node.stage, node.grid, inputs, condition, Draws(0, "", tuple(range(batch))), META)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        stage.run(asked)
    return counter.get_total_flops()


@pytest.mark.parametrize("name", ["guided, attention, text", "bridge, karras, heun"])
def test_flops_of_a_walk_are_those_of_torchs_counter(name: str) -> None:
    spec, node = CASES[name]
    profile = rehearse(node, spec.condition, scale_for(node), mode="sample")
    work = profile.work(node.stage.solver.steps, evaluations(node))  # type: ignore[union-attr]
    assert profile.flops(work, 3, node.grid.size) == counted(spec, node, 3)


def test_a_guidance_interval_is_counted() -> None:
    _, node = one([16, 16], text=True, solver={"steps": 10, "guidance": {"scale": 2.0, "interval": [0.2, 2.0]}})
    passes = evaluations(node)
    assert sum(passes.values()) == 10
    assert 0 < passes[2] < 10


def test_evaluations_outside_the_interval_are_not_free() -> None:
    """They were counted as nothing: a walk that is guided half the way took the FLOPs of its guided half."""
    solver = {"steps": 10, "guidance": {"scale": 2.0, "interval": [0.2, 2.0]}}
    spec, node = one([16, 16], text=True, network=net(32, [1, 2], [0]), solver=solver)
    profile = rehearse(node, spec.condition, scale_for(node), mode="sample")
    work = profile.work(10, evaluations(node))
    assert profile.flops(work, 3, node.grid.size) == counted(spec, node, 3)


def test_more_steps_are_more_of_the_step_between() -> None:
    spec, node = CASES["bridge, karras, heun"]
    profile = rehearse(node, spec.condition, scale_for(node), mode="sample")
    few, more, most = (sum(profile.work(n, {1: 2 * n - 1}).values()) for n in (4, 5, 6))
    assert more - few == most - more > 0


def test_a_profile_survives_being_kept() -> None:
    import json

    spec, node = CASES["three axes"]
    profile = rehearse(node, spec.condition, scale_for(node), mode="train")
    again = Profile.from_json(json.loads(strict_json(profile.to_json())))
    assert again == profile


def test_gradient_checkpoints_save_memory() -> None:
    spec, node = one([32, 32], network=net(32, [1, 2], []), train={})
    _, saving = one([32, 32], network=net(32, [1, 2], []), train={"gradient_checkpointing": True})
    plain, saved = (
        rehearse(n, spec.condition, scale_for(n), mode="train").peak_bytes(16, (32, 32)) for n in (node, saving)
    )
    assert saved < 0.8 * plain
    assert saved == pytest.approx(allocated(trained(spec, saving, 16)), rel=0.02)


def test_a_kind_that_is_not_ours_is_named() -> None:
    spec = parse(
        {
            "name": "x",
            "stages": [{"name": "s", "role": "base", "kind": "pipeline", "load": "a/b", "out": {"size": [8, 8]}}],
        }
    )
    with pytest.raises(RunError, match="pipeline"):
        rehearse(nodes(spec)[0], spec.condition, Scale(2, 1), mode="sample")


def test_bytes_moved_grow_with_the_batch_beside_the_weights() -> None:
    spec, node = CASES["one axis"]
    profile = rehearse(node, spec.condition, scale_for(node), mode="sample")
    norms = [moved for (kind, _, _, moved), _ in profile.evaluations[1].items() if kind == "norm"]
    few, many = (sum(evaluate(moved, profile.scale.units(batch, (256,))) for moved in norms) for batch in (1, 8))
    assert 7 * few < many < 8 * few
