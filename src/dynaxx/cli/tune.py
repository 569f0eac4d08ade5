"""`dynaxx tune`: the settings of a run that give the best score inside a budget."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dynaxx.cli.answer import Answer, notes
from dynaxx.cli.interrupt import loading
from dynaxx.cli.options import RUN, Download, Json, On
from dynaxx.cli.quantity import amount
from dynaxx.cli.table import table

if TYPE_CHECKING:
    from rich.console import Console


def tune(
    run: Annotated[str, typer.Argument(metavar="RUN", help=RUN)],
    share: Annotated[
        float | None,
        typer.Option(
            min=0.01, max=1.0, metavar="X", help="Of the work that a sample takes now, at most; half without --latency."
        ),
    ] = None,
    latency: Annotated[
        float | None, typer.Option(min=0, metavar="S", help="Of a sample, at most, as the plan predicts it here.")
    ] = None,
    within: Annotated[
        float, typer.Option(min=0, max=1.0, metavar="X", help="The share of the score that may be lost.")
    ] = 0.02,
    budget: Annotated[
        float, typer.Option(min=1, metavar="S", help="Seconds to search and to confirm: a target, nothing is cut off.")
    ] = 1200.0,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Real pictures or arrays, in place of the cascade's own data.")
    ] = None,
    num: Annotated[int, typer.Option(min=16, metavar="N", help="Signals to search on.")] = 64,
    fresh: Annotated[int, typer.Option(min=16, metavar="N", help="Signals to confirm on, not searched on.")] = 128,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="It fixes every random number.")] = 0,
    batch: Annotated[int, typer.Option(min=1, metavar="N", help="Samples that pass a stage at once.")] = 64,
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder to write to.")] = Path("out/tune"),
    device: On = None,
    download: Download = False,
    as_json: Json = False,
) -> Answer:
    """Find steps, solver, guidance and level of every stage that give the best score inside a budget.

    Writes a new cascade file where it pays, and a page with before and after; ends with 1 where nothing does. The same
    command again goes on where it was stopped.
    """
    with loading():
        from dynaxx.cli.search import Order, search

    order = Order(run, share, latency, within, budget, data, num, fresh, seed, batch, out, device, download)
    found = search(order, notes())
    return Answer(found, lambda console: _show(found, console), exit_code=0 if found["shown"] else 1)


def _show(found: dict[str, Any], console: Console) -> None:
    rows = [
        ("*" if row["front"] else "", amount(row["cost"]), f"{row['score']['value']:.3f}", row["settings"])
        for row in found["curves"].get("together", ())
    ]
    if rows:
        table(console, ("", found["unit"], "score", "all stages together (*: nothing is cheaper and as good)"), rows)
    console.print(found["says"], markup=False, soft_wrap=True)
    for change in found["changes"]:
        console.print(f"  {change['path']}: {change['was']} -> {change['now']}", markup=False, soft_wrap=True)
    if found["file"]:
        console.print(f"{found['file']}", markup=False)
    if found["page"]:
        console.print(f"{found['page']}", markup=False)
