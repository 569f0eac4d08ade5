"""`dynaxx demo`: a bundled cascade on a dozen prompts, as a page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dynaxx.cli.answer import Answer, notes
from dynaxx.cli.interrupt import loading
from dynaxx.cli.options import Json
from dynaxx.cli.progress import bar

if TYPE_CHECKING:
    from dynaxx.lens.look import Done


def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder to write to.")] = Path("out/demo"),
    cascade: Annotated[
        str, typer.Option(metavar="NAME", help="Another one: emoji-exact, whose stages are exact; or a folder.")
    ] = "emoji-64",
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Another seed, other pictures.")] = 0,
    lens: Annotated[
        bool, typer.Option("--lens", help="Also look into it: which stage is at fault? It takes half a minute.")
    ] = False,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    as_json: Json = False,
) -> Answer:
    """Show a cascade at work: real pictures, stage by stage, as a page to look at."""
    with loading():
        from dynaxx.share.demo import make_demo
        from dynaxx.share.demo_look import look_at, look_page, write_look

    report = look_page(out)
    link = report.relative_to(out).as_posix() if lens else None
    with bar() as on_step:
        made = make_demo(out, cascade=cascade, seed=seed, report=link, on_step=on_step)
    line = f"{len(made.written.files)} pictures in {made.latency_s:.1f} s. Look at them: {made.page}"
    answer = made.to_json()
    if open_page:
        import webbrowser

        webbrowser.open(made.page.resolve().as_uri())
    if lens:
        notes().print(f"{line}\nWhich stage is at fault? The lens looks; it takes half a minute.", markup=False)
        with bar() as on_step:
            view = look_at(cascade, seed=seed, on_step=on_step)
            left = _say(view.steps())
        found = write_look(view, cascade, out, seed=seed)
        line += f"\n{found.verdict.headline}\n{' '.join(found.verdict.words)}\nThe lens's report: {report}"
        line += f"\nFor the other {left} probes: dynaxx lens {cascade} --out report" if left else ""
        answer |= {"report": str(report), "verdict": found.to_json()["verdict"]}
    return Answer(answer, lambda console: console.print(line, markup=False, highlight=False))


def _say(steps: Iterator[Done]) -> int:
    """Say what was done as it is done; gives how many probes were left out."""
    left = 0
    for done in steps:
        left += bool(done.left_out)
        if not done.left_out:
            notes().print(f"{done.index + 1:>3}/{done.count} {done.name}: {done.latency_s:.1f} s", markup=False)
    return left
