"""`dynaxx sample`: draw samples from a cascade and write them as files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dynaxx.cli.answer import Answer
from dynaxx.cli.interrupt import loading
from dynaxx.cli.options import (
    RUN,
    Devices,
    Download,
    Json,
    On,
    check_one_device,
    parse_batch,
    parse_bytes,
    parse_devices,
    parse_inputs,
    parse_settings,
    parse_size,
)  # fmt: skip
from dynaxx.cli.progress import bar, note, samples_bar
from dynaxx.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from dynaxx.engine.trace import Trace
    from dynaxx.share.files import Written

LISTED = 8
"""The most samples that are shown one by one."""
Over = Annotated[
    list[str] | None, typer.Option(metavar="[NAME=]LIST", help="Stages over several: auto, cuda:0,cuda:1, base=cuda:0.")
]
Signals = Annotated[
    list[str] | None,
    typer.Option(metavar="[NAME=]FILE", help="A signal of yours, or a folder; without a name for --from-stage."),
]
Wishes = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Many prompts, one a line, or JSON lines; the same command goes on.")
]
Settings = Annotated[
    list[str] | None, typer.Option(metavar="PATH=VALUE", help="A run-time setting: bridge.solver.steps=10.")
]
Field = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The field, for cascades conditioned on one: .npy or a picture.")
]


def sample(
    run: Annotated[str, typer.Argument(metavar="RUN", help=RUN)],
    prompt: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="What to draw; give it several times for several.")
    ] = None,
    label: Annotated[
        list[int] | None, typer.Option(metavar="N", help="A class number, for cascades that take one.")
    ] = None,
    prompts: Wishes = None,
    num: Annotated[int, typer.Option(min=1, metavar="N", help="Samples for each prompt or label.")] = 1,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="With a sample's id it fixes every random number.")] = 0,
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder to write to.")] = Path("out/samples"),
    keep_stages: Annotated[bool, typer.Option("--keep-stages", help="Write what every stage saw and made.")] = False,
    latents: Annotated[bool, typer.Option("--latents", help="Leave latents as they are: .npy, not decoded.")] = False,
    from_stage: Annotated[str | None, typer.Option(metavar="NAME", help="Begin at this stage, from --input.")] = None,
    until_stage: Annotated[str | None, typer.Option(metavar="NAME", help="Stop after this stage.")] = None,
    input: Signals = None,
    field: Field = None,
    size: Annotated[str | None, typer.Option(metavar="HxW", help="The base size of this run.")] = None,
    set: Settings = None,
    batch: Annotated[str | None, typer.Option(metavar="N|auto", help="Samples that pass a stage at once, 64.")] = None,
    tile: Annotated[int | None, typer.Option(min=2, metavar="N", help="Tiles for larger low inputs.")] = None,
    memory_cap: Annotated[str | None, typer.Option(metavar="SIZE", help="The most memory to use: 8GiB.")] = None,
    device: On = None,
    devices: Over = None,
    lever: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Kept where faster: bfloat16.")] = None,
    download: Download = False,
    as_json: Json = False,
) -> Answer:
    """Draw samples from a cascade."""
    low, named = parse_inputs(input or ())
    if (from_stage is None) != (low is None):
        raise UsageError("--from-stage", "needs --input FILE, and the other way round.", "Give both, or neither.")
    check_one_device(device, devices or ())
    settings, sizes, spread = parse_settings(set or ()), parse_size(size), parse_devices(devices or ())
    if prompts is not None:
        _check_alone({"--prompt": prompt, "--label": label, "--keep-stages": keep_stages, "--field": field})
        _check_alone({"--from-stage": from_stage, "--input": input, "--latents": latents})
        return _bulk(
            run, prompts, num, seed, out, until_stage, sizes, settings, *parse_batch(batch), memory_cap, tile, lever,
            spread, device, download,
        )  # fmt: skip
    with loading():
        from dynaxx.cli.draw import Order, draw

    order = Order(
        run=run, prompts=tuple(prompt or ()), labels=tuple(label or ()), num=num, seed=seed, size=sizes,
        batch=parse_batch(batch)[0] or 64, probe=parse_batch(batch)[1], tile=tile, levers=tuple(lever or ()),
        settings=settings, from_stage=from_stage, low=low, named=named, field=field, until=until_stage,
        keep=keep_stages, out=out, decode=not latents, memory_cap=parse_bytes(memory_cap), spread=spread,
        device=device, download=download,
    )  # fmt: skip
    heard = list[str]()
    with bar() as on_step:
        written = draw(order, on_step, _noting(heard))
    return Answer({**written.to_json(), "notes": heard}, lambda console: _show(written, console))


def _noting(heard: list[str]) -> Callable[[str], None]:
    """A callback for remarks: they are shown at once, and kept."""

    def on_note(text: str) -> None:
        heard.append(text)
        note(text)

    return on_note


def _check_alone(others: Mapping[str, object]) -> None:
    """See that none of the options is given that a file of prompts does not go with."""
    for option in (name for name, value in others.items() if value):
        raise UsageError("--prompts", f"does not go with {option}.", f"Leave out {option}, or --prompts.")


def _bulk(
    run: str, file: Path, num: int, seed: int, out: Path, until: str | None, size: tuple[int, ...] | None,
    settings: dict[str, str], batch: int | None, probe: bool, memory_cap: str | None, tile: int | None,
    lever: list[str] | None, spread: Devices, device: str | None, download: bool,
) -> Answer:  # fmt: skip
    with loading():
        from dynaxx.cli.bulk import BulkOrder, fill

    cap, levers = parse_bytes(memory_cap), tuple(lever or ())
    order = BulkOrder(
        run, file, num, seed, out, until, size, settings, batch, cap, probe, tile, levers, spread, device, download
    )
    with bar() as on_step, samples_bar() as on_drawn:
        filled = fill(order, on_step, on_drawn, note)
    line = f"{filled.folder}: {filled.drawn + filled.before} samples, {filled.drawn} drawn now."
    return Answer(filled.to_json(), lambda console: console.print(line, markup=False))


def _show(written: Written, console: Console) -> None:
    from dynaxx.share.page import duration

    many = len(written.files) > LISTED
    for node in written.trace.nodes:
        levels = "".join(f"  {name} std {std:g}" for name, std in node.std.items())
        console.print(f"{node.name:>10}  {node.grid:>9}  {duration(node.latency_per_sample_s):>7} a sample{levels}")
        for call in node.calls:
            told = {key: value for key, value in call.items() if key != "seeds" or not many}
            console.print(f"{'':>10}  {', '.join(f'{key}={value}' for key, value in told.items())}", markup=False)
    if written.trace.seats:
        console.print(written.trace.seats, markup=False, soft_wrap=True)
    if moved := _moved(written.trace):
        console.print(moved, markup=False)
    for line in [_summed(written)] if many else map(str, written.files):
        console.print(line, markup=False)


def _summed(written: Written) -> str:
    """How many files are where, in place of their names; every name and seed is in the record beside them."""
    what = "pictures" if all(file.suffix == ".png" for file in written.files) else "files"
    seeds = any(node.seeds for node in written.trace.nodes)
    return f"{len(written.files)} {what} in {written.folder}/{'; seeds are in run.json' if seeds else ''}"


def _moved(trace: Trace) -> str:
    """What was moved, and the time lost to it, where weights come and go."""
    from dynaxx.cli.quantity import size_of
    from dynaxx.share.page import duration

    if not any(event.event.startswith("evict") for event in trace.events):
        return ""
    moving = [event for event in trace.events if event.event.startswith(("fetch ", "stream "))]
    brought = [event for event in moving if event.weights_bytes != 0]
    total = size_of(sum(event.weights_bytes or 0 for event in brought))
    return f"{total} of weights brought in {len(brought)} times; {duration(trace.lost_s)} lost to moving them"
