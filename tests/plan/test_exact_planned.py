"""Exact stages are planned by their evaluations: those outside a guidance interval take half."""

from __future__ import annotations

import pytest
from torch.utils.flop_counter import FlopCounterMode

from dynaxx.engine.cascade import Cascade
from dynaxx.plan.node_plan import NodePlan
from dynaxx.plan.predict import plan_run
from dynaxx.plan.table import exact_stages
from dynaxx.spec.files import loads
from dynaxx.spec.graph import nodes

TEXT = """\
name: exact
condition: {text: {encoder: words}}
stages:
  - {name: one, role: base, kind: empirical, data: {kind: bundled, name: emoji}, out: {channels: 3, size: [8, 8]},
     solver: {kind: KIND, steps: STEPS, guidance: GUIDANCE}}
"""
INTERVAL = "{scale: 3.0, interval: [0.3, 2.0]}"
PROMPTS = ["a star", "a red heart"]


def planned(kind: str, steps: int, guidance: str) -> tuple[NodePlan, str]:
    text = TEXT.replace("KIND", kind).replace("STEPS", f"{steps}").replace("GUIDANCE", guidance)
    spec = loads(text)
    graph = nodes(spec)
    return plan_run(spec, graph, samples=2, batch=2, build=exact_stages(spec, graph, None)).nodes[0], text


@pytest.mark.parametrize("guidance", ["1.0", "3.0", INTERVAL])
@pytest.mark.parametrize(("kind", "steps"), [("dpmpp-2m", 7), ("heun", 5), ("dpmpp-2m", 1)])
def test_flops_are_those_of_a_real_run(kind: str, steps: int, guidance: str) -> None:
    one, text = planned(kind, steps, guidance)
    cascade = Cascade.from_spec(loads(text))
    cascade.sample(PROMPTS)  # tables of the stored pictures are made once
    with FlopCounterMode(display=False) as counter:
        cascade.sample(PROMPTS)
    assert 2 * one.flops == counter.get_total_flops()


def test_guidance_in_an_interval_lies_between_none_and_all() -> None:
    flops = [planned("dpmpp-2m", 7, guidance)[0].flops for guidance in ("1.0", INTERVAL, "3.0")]
    assert flops[0] < flops[1] < flops[2] == 2 * flops[0]
    work = [sum(planned("dpmpp-2m", 7, guidance)[0].work.values()) for guidance in ("1.0", INTERVAL)]
    assert work[0] > 0
    assert work[1] > work[0]
