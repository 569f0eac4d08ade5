"""What `dynaxx plan` shows of a run and of its training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dynaxx.cli.quantity import amount, dollars, lasting, size_of
from dynaxx.cli.table import table

if TYPE_CHECKING:
    from rich.console import Console


def show_plan(data: dict[str, Any], console: Console) -> None:
    """Show what `dynaxx plan --json` says: sampling stage by stage and as a whole, then training."""
    from dynaxx.share.plan_room import room_lines, wait_lines
    from dynaxx.share.plan_spread import spread_lines

    heads = ("stage", "answers on", "parameters", "weights", "evaluations", "FLOPs a sample", "peak", "time")
    table(console, heads, [_row(node) for node in data["nodes"]])
    for node in data["nodes"]:
        if node["parts"]:
            said = ", ".join(f"{name} {'?' if n is None else f'{n:,}'}" for name, n in node["parts"].items())
            first = f"; {', '.join(node['let_go'])} let go of before the network works, not in its weights"
            said += f" parameters{first if node['let_go'] else ''}"
            console.print(f"{node['name']}: {said}", markup=False, soft_wrap=True)
    for codec in data["codecs"]:
        if codec["weights_bytes"]:
            count, size = amount(codec["parameters"]), size_of(codec["weights_bytes"])
            said = f"codec {codec['name']}: {count} parameters, {size}; part of the peaks, and not of the time"
            console.print(said, markup=False, soft_wrap=True)
    run = data["run"]
    held = f"{amount(run['parameters'])} parameters, {size_of(run['peak_bytes'])} at once, {lasting(run['latency_s'])}"
    count = "1 sample" if data["samples"] == 1 else f"{data['samples']} samples"
    many = f"{count}, {data['batch']} at a time, on {data['device']} ({data['placement']})"
    console.print(f"{data['name']}: {held} for {many}.", markup=False)
    if grown := _grown(data):
        console.print(grown, markup=False, soft_wrap=True)
    for line in (*spread_lines(data), *room_lines(data)):
        console.print(line, markup=False, soft_wrap=True)
    for line in wait_lines(data):
        console.print(line, markup=False)
    console.print(f"time: {data['clock']}", markup=False)
    if run["first_extra_s"] is not None:
        console.print(f"a process' first batch took {run['first_extra_s']:.2g} s longer", markup=False)
    if run["usd_per_1000"]:
        console.print(f"1000 samples: {dollars(run['usd_per_1000'])}", markup=False)
    if run["kwh_per_1000"]:
        console.print(f"1000 samples: up to {run['kwh_per_1000']['high']:.2g} kWh", markup=False)
    if data["training"]:
        console.print("\ntraining", style="dim")
        heads = ("stage", "trains on", "batch", "steps", "FLOPs a step", "FLOPs", "peak", "time")
        table(console, heads, [_training_row(stage) for stage in data["training"]])
        money = f", {dollars(data['train']['usd'])}" if data["train"]["usd"] else ""
        energy = f", up to {data['train']['kwh']['high']:.2g} kWh" if data["train"]["kwh"] else ""
        console.print(f"all stages: {lasting(data['train']['train_s'])}{money}{energy}", markup=False)
    for reason in data["unknown"]:
        console.print(f"not known: {reason}", markup=False)
    if "page" in data:
        console.print(data["page"], markup=False)


def _grown(data: dict[str, Any]) -> str:
    """What the process grows to, where it computes in the machine's own memory."""
    sampling, training = data["run"]["resident_bytes"], [stage["resident_bytes"] or 0 for stage in data["training"]]
    parts = [f"by {size_of(sampling)}"] if sampling else []
    parts += [f"by up to {size_of(most)} to train"] if (most := max(training, default=0)) else []
    return f"resident set: the process grows {', '.join(parts)}, above its imports." if parts else ""


def _row(node: dict[str, Any]) -> tuple[str, ...]:
    if node["unknown"]:
        return node["name"], node["grid"], *["?"] * 6
    return (
        node["name"], node["grid"], amount(node["parameters"]), size_of(node["weights_bytes"]),
        str(node["evaluations"]), amount(node["flops"]), size_of(node["peak_bytes"]), lasting(node["latency_s"]),
    )  # fmt: skip


def _training_row(stage: dict[str, Any]) -> tuple[str, ...]:
    if stage["unknown"]:
        return stage["name"], stage["grid"], *["?"] * 6
    return (
        stage["name"], stage["grid"], str(stage["batch"]), str(stage["steps"]), amount(stage["flops_per_step"]),
        amount(stage["flops"]), size_of(stage["peak_bytes"]), lasting(stage["train_s"]),
    )  # fmt: skip
