"""`dynaxx lens`: which stage of a cascade is at fault, and what to change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dynaxx.cli.answer import Answer, notes
from dynaxx.cli.interrupt import loading
from dynaxx.cli.options import RUN, Download, Json, On, parse_bytes, parse_inputs
from dynaxx.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from dynaxx.lens.findings import Report


def lens(
    run: Annotated[str, typer.Argument(metavar="RUN", help=RUN)],
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Real pictures or arrays, in place of the cascade's own data.")
    ] = None,
    prompts: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Prompts, a line each, where there is no real data.")
    ] = None,
    input: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILE",
            help="An input of yours; of a folder, file i by name goes to sample i, not to picture i of --data.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="REPORT", help="The folder to write to.")] = Path("out/lens"),
    budget: Annotated[str, typer.Option(metavar="quick|full|SECONDS", help="What may be spent.")] = "quick",
    num: Annotated[int | None, typer.Option(min=8, metavar="N", help="Samples: 64, or 128 with full.")] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="It fixes every random number.")] = 0,
    against: Annotated[
        str | None, typer.Option(metavar="RUN", help="Another cascade, of one stage say, to compare with.")
    ] = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Write a cascade file with the remedies, and measure it again.")
    ] = False,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Run everything, whatever was run before.")] = False,
    batch: Annotated[int, typer.Option(min=1, metavar="N", help="Samples that pass a stage at once.")] = 64,
    memory_cap: Annotated[
        str | None, typer.Option(metavar="SIZE", help="The most memory to use, such as 8GiB: it decides on placement.")
    ] = None,
    device: On = None,
    download: Download = False,
    as_json: Json = False,
) -> Answer:
    """Look into a cascade: which stage is at fault, does it correct or amplify, and what should be changed."""
    if data is not None and prompts is not None:
        raise UsageError("--prompts", "is given beside --data.", "Real data has its own prompts: give one of them.")
    spent, (unnamed, named) = _budget(budget), parse_inputs(input or ())
    if unnamed is not None:
        raise UsageError("--input", f"{unnamed} has no name.", "Say which input it is: NAME=FILE.")
    with loading():
        from dynaxx.cli.look import Order, look_into

    order = Order(
        run, data, prompts, out, spent, num, seed, against, apply, not no_cache, batch, parse_bytes(memory_cap), named,
        device, download,
    )  # fmt: skip
    report, page = look_into(order, notes())
    return Answer({**report.to_json(), "out": str(page)}, lambda console: _show(report, page, console))


def _budget(text: str) -> Any:
    if text in ("quick", "full"):
        return text
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found < float("inf"):
        raise UsageError("--budget", f"cannot be {text!r}.", "Say quick, full, or a number of seconds.")
    return found


def _show(report: Report, page: Path, console: Console) -> None:
    from dynaxx.share.summary import summary

    console.print(summary(report.to_json()))
    console.print(f"{page}", markup=False)
