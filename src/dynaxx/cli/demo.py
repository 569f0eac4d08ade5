"""`dynaxx demo`: a bundled cascade on a dozen prompts, as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dynaxx.cli.answer import Answer
from dynaxx.cli.interrupt import loading
from dynaxx.cli.options import Json
from dynaxx.cli.progress import bar


def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder to write to.")] = Path("out/demo"),
    cascade: Annotated[
        str, typer.Option(metavar="NAME", help="Another one: emoji-exact, whose stages are exact; or a folder.")
    ] = "emoji-64",
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Another seed, other pictures.")] = 0,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    as_json: Json = False,
) -> Answer:
    """Show a cascade at work: real pictures, stage by stage, as a page to look at."""
    with loading():
        from dynaxx.share.demo import make_demo

    with bar() as on_step:
        made = make_demo(out, cascade=cascade, seed=seed, on_step=on_step)
    if open_page:
        import webbrowser

        webbrowser.open(made.page.resolve().as_uri())
    line = f"{len(made.written.files)} pictures in {made.latency_s:.1f} s. Look at them: {made.page}"
    return Answer(made.to_json(), lambda console: console.print(line, markup=False))
