"""`dynaxx plan`: what a cascade will take, before it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from dynaxx.cli.answer import Answer
from dynaxx.cli.interrupt import loading
from dynaxx.cli.options import Json, parse_settings, parse_size
from dynaxx.cli.table import table

if TYPE_CHECKING:
    from rich.console import Console


def plan(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A cascade file, a folder with one, or a bundled name.")],
    samples: Annotated[int, typer.Option(min=1, metavar="N", help="Samples of the run.")] = 1,
    batch: Annotated[int, typer.Option(min=1, metavar="N", help="Samples that pass a stage at once.")] = 64,
    placement: Annotated[
        Literal["resident", "one-at-a-time"], typer.Option(help="Where weights are while other stages run.")
    ] = "resident",
    size: Annotated[str | None, typer.Option(metavar="HxW", help="The base size, where the file fixes none.")] = None,
    set: Annotated[
        list[str] | None, typer.Option(metavar="PATH=VALUE", help="A setting: base.solver.steps=10.")
    ] = None,
    device: Annotated[str, typer.Option(metavar="NAME", help="Plan for this kind of device: cpu, or cuda.")] = "cpu",
    as_json: Json = False,
) -> Answer:
    """Say what sampling and training a cascade will take. Reads no weights."""
    with loading():
        from dynaxx.plan.table import Question, answer

    question = Question(
        file, samples=samples, batch=batch, placement=placement, size=parse_size(size),
        settings=parse_settings(set or ()), device=device,
    )  # fmt: skip
    data = answer(question)
    return Answer(data, lambda console: _show(data, console))


def _show(data: dict[str, Any], console: Console) -> None:
    heads = ("stage", "answers on", "parameters", "weights", "evaluations", "FLOPs a sample", "peak")
    table(console, heads, [_row(node) for node in data["nodes"]])
    run = data["run"]
    peak = f"{_bytes(run['peak_bytes'])} at once for {data['samples']} samples, {data['batch']} at a time"
    console.print(
        f"{data['name']}: {_count(run['parameters'])} parameters, {peak} ({data['placement']}).", markup=False
    )
    if data["training"]:
        console.print("\ntraining", style="dim")
        heads = ("stage", "trains on", "batch", "steps", "FLOPs a step", "FLOPs", "peak")
        table(console, heads, [_training_row(stage) for stage in data["training"]])
    for reason in data["unknown"]:
        console.print(f"not known: {reason}", markup=False)


def _row(node: dict[str, Any]) -> tuple[str, ...]:
    if node["unknown"]:
        return node["name"], node["grid"], *["?"] * 5
    return (
        node["name"], node["grid"], _count(node["parameters"]), _bytes(node["weights_bytes"]),
        str(node["evaluations"]), _count(node["flops"]), _bytes(node["peak_bytes"]),
    )  # fmt: skip


def _training_row(stage: dict[str, Any]) -> tuple[str, ...]:
    if stage["unknown"]:
        return stage["name"], stage["grid"], *["?"] * 5
    return (
        stage["name"], stage["grid"], str(stage["batch"]), str(stage["steps"]), _count(stage["flops_per_step"]),
        _count(stage["flops"]), _bytes(stage["peak_bytes"]),
    )  # fmt: skip


def _count(number: float) -> str:
    for size, unit in ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:.0f}"


def _bytes(number: float) -> str:
    for size, unit in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:.0f} B"
