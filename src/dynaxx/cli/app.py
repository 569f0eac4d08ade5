"""The list of commands."""

from __future__ import annotations

from typing import Annotated

import typer

import dynaxx
from dynaxx.cli.answer import Answer
from dynaxx.cli.check import check
from dynaxx.cli.demo import demo
from dynaxx.cli.lens import lens
from dynaxx.cli.options import Json
from dynaxx.cli.plan import plan
from dynaxx.cli.sample import sample
from dynaxx.cli.train import train
from dynaxx.cli.tune import tune
from dynaxx.errors import UsageError

app = typer.Typer(name="dynaxx", add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
for command in (demo, check, plan, train, sample, lens, tune):
    app.command()(command)


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
    as_json: Json = False,
) -> Answer | None:
    """Diffusion cascades: generation in several stages.

    Every command takes --json: one JSON object on stdout, all else on stderr. Exit codes: 0 done, 1 could not,
    2 wrong usage or a bad cascade file, 130 interrupted, 143 told to end.
    """
    if version and context.invoked_subcommand is None:
        line = f"dynaxx {dynaxx.__version__}"
        return Answer({"version": dynaxx.__version__}, lambda console: console.print(line, markup=False))
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise UsageError("", "no command is given.", "Name one of demo, check, plan, train, sample, lens, tune.")
    return None
