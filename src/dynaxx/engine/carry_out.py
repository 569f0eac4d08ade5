"""A run from its first event to its last: the plan's events one after another, or a crew's stages side by side."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch

from dynaxx.engine.afford import capped, out_of_memory
from dynaxx.engine.crew import Crew
from dynaxx.engine.move import weights_bytes
from dynaxx.engine.run import Run
from dynaxx.engine.runtime import Runtime
from dynaxx.engine.spread import run_spread
from dynaxx.plan.events import Event, codecs_of, events
from dynaxx.plan.placement import choose
from dynaxx.signal.device import working_on
from dynaxx.spec.graph import Node
from dynaxx.stage.mapped import hand_back_early
from dynaxx.stage.stage import MadeReady


def carry_out(
    run: Run,
    chosen: Sequence[Node],
    runtime: Runtime,
    crew: Crew | None,
    *,
    keep: Collection[str],
    shown: Collection[str],
) -> None:
    """Make the answers of the nodes `chosen`; those to `keep` stay, and those to be `shown` are decoded.

    Raises:
        RunError: if the memory does not do, or a stage fails.
    """
    for name in dict.fromkeys(node.stage.name for node in chosen):
        if isinstance(stage := run.stages[name], MadeReady):
            stage.make_ready()
    devices = [runtime.on, *map(torch.device, runtime.devices)]
    with torch.no_grad(), out_of_memory(), capped(devices, runtime.cap_bytes), working_on(runtime.on):
        if crew is not None:
            _side_by_side(run, chosen, crew, shown)
        else:
            _one_after_another(run, chosen, runtime, keep, shown)


def _one_after_another(
    run: Run, chosen: Sequence[Node], runtime: Runtime, keep: Collection[str], shown: Collection[str]
) -> None:
    """The plan's events, with weights where the numbers, or the user, want them."""
    weights = weights_bytes({node.stage.name: run.stages[node.stage.name] for node in chosen})
    lie = choose(weights, runtime.cap_bytes, runtime.placement)
    if lie.placement == "one-at-a-time" and runtime.on.type == "cpu":
        hand_back_early()
    for event in events(chosen, keep=keep, decode=shown, placement=lie.placement, streamed=lie.streamed, kept=lie.kept):
        run.execute(event)


def _side_by_side(run: Run, chosen: Sequence[Node], crew: Crew, shown: Collection[str]) -> None:
    """The nodes on their devices; codecs work where the run is."""
    for name in codecs_of(chosen, shown):
        run.execute(Event("fetch-codec", name))
    run_spread(run, chosen, crew)
    for node in chosen:
        if node.name in shown:
            run.execute(Event("decode", node.name))
