"""`dynaxx plan --target`: the best cascade for a budget, with a reason for every choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dynaxx.cli.answer import Answer
from dynaxx.cli.interrupt import loading
from dynaxx.cli.quantity import lasting
from dynaxx.cli.table import table
from dynaxx.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from dynaxx.plan.node_plan import NodePlan
    from dynaxx.plan.propose.choose import Proposal
    from dynaxx.plan.propose.weigh import Candidate
    from dynaxx.plan.time.interval import Interval


@dataclass(frozen=True)
class Wish:
    """The options of a proposal, read."""

    size: tuple[int, ...]
    quality: Literal["draft", "good", "best"]
    bounds: Mapping[str, float | None]
    device: str
    devices: int
    out: Path | None
    page: Path | None = None


def answer(wish: Wish) -> Answer:
    """Propose, write the file and the page if they are named, and say why.

    Raises:
        UsageError: if the file is there already.
    """
    with loading():
        from dynaxx.plan.propose.choose import propose
        from dynaxx.plan.propose.target import Budget, Target
        from dynaxx.spec.files import dump
        from dynaxx.spec.grid import by_x
        from dynaxx.store.atomic import write_text

    if wish.out is not None and wish.out.exists():
        raise UsageError(str(wish.out), "is there already.", "Choose another name, or remove it.")
    target, budget = Target(wish.size, wish.quality), Budget(**wish.bounds)
    found = propose(target, budget, device=wish.device, devices=wish.devices)
    if wish.out is not None:
        write_text(wish.out, dump(found.spec))
    data = _data(found) | {
        "asked": {
            "size": by_x(wish.size), "quality": wish.quality, "device": wish.device, "devices": wish.devices,
            "budget": budget.bounds(),
        },
        "clock": found.clock, "file": None if wish.out is None else str(wish.out),
        "cascade": dump(found.spec),
    }  # fmt: skip
    if wish.page is not None:
        from dynaxx.share.proposal_page import render_proposal

        write_text(wish.page, render_proposal(data))
        data["page"] = str(wish.page)
    return Answer(data, lambda console: _show(found, data, console))


def _data(found: Proposal) -> dict[str, Any]:
    return {
        "best": _row(found.best), "single": _row(found.single), "front": [_row(one) for one in found.front],
        "reasons": [asdict(reason) for reason in found.reasons],
    }  # fmt: skip


def _row(one: Candidate) -> dict[str, Any]:
    return {
        "sizes": [str(node.node.grid) for node in one.run.nodes], "width": one.shape.width, "pace": one.shape.pace,
        "placement": one.run.placement, "latency_s": asdict(one.latency_s),
        "fetch_s": None if one.fetch_s is None else asdict(one.fetch_s), "memory_gib": one.memory_gib,
        "train_gib": one.train_gib, "train_hours": asdict(one.train_hours), "train_cost_usd": one.train_cost_usd,
        "stages": [_stage(node, took) for node, took in zip(one.run.nodes, one.stages_s, strict=True)],
    }  # fmt: skip


def _stage(node: NodePlan, took: Interval) -> dict[str, Any]:
    return {
        "name": node.node.name, "grid": str(node.node.grid), "steps": node.steps,
        "evaluations": sum(node.passes.values()) or 1, "parameters": node.parameters,
        "peak_bytes": round(node.peak_bytes), "latency_s": asdict(took),
    }  # fmt: skip


def _show(found: Proposal, data: Mapping[str, Any], console: Console) -> None:
    heads = ("", "sizes", "width", "steps", "latency", "memory", "held", "training", "dollars")
    rows = [("proposed", data["best"]), ("single stage", data["single"]), *(("front", row) for row in data["front"])]
    table(console, heads, [(name, *_cells(row)) for name, row in rows])
    table(console, ("choice", "why", "source"), [(r.choice, r.why, r.source) for r in found.reasons])
    if data["file"]:
        console.print(f"{data['file']}: look at it with dynaxx check, train it with dynaxx train.", markup=False)
    if "page" in data:
        console.print(data["page"], markup=False)


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    hours = {key: 3600 * value for key, value in row["train_hours"].items()}
    usd = "?" if row["train_cost_usd"] is None else f"${row['train_cost_usd']:.3g}"
    memory, held = f"{row['memory_gib']:.3g} GiB", row["placement"].replace("-", " ")
    made = (" ".join(row["sizes"]), str(row["width"]), " / ".join(str(stage["steps"]) for stage in row["stages"]))
    took = lasting(row["latency_s"]) + ("" if row["fetch_s"] else ", waits unknown")
    return *made, took, memory, held, lasting(hours), usd
