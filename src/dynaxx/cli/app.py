"""The list of commands."""

from __future__ import annotations

from typing import Annotated

import typer

from dynaxx.cli.check import check
from dynaxx.cli.demo import demo
from dynaxx.cli.sample import sample
from dynaxx.cli.train import train

app = typer.Typer(
    name="dynaxx", add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True
)
for command in (demo, check, train, sample):
    app.command()(command)


def _version(value: bool) -> None:
    if value:
        import dynaxx

        typer.echo(f"dynaxx {dynaxx.__version__}")
        raise typer.Exit


@app.callback()
def dynaxx(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Diffusion cascades: generation in several stages.

    Every command takes --json: one JSON object on stdout, all else on stderr. Exit codes: 0 done, 1 could not,
    2 wrong usage or a bad cascade file, 130 interrupted, 143 told to end.
    """
