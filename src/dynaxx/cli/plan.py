"""`dynaxx plan`: what a cascade will take, before it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from dynaxx.cli.answer import Answer, notes
from dynaxx.cli.insert import answer as answer_insertion
from dynaxx.cli.interrupt import loading
from dynaxx.cli.options import RUN, Json, parse_bytes, parse_settings, parse_size
from dynaxx.cli.plan_devices import how_many, over_devices
from dynaxx.cli.plan_options import check_together
from dynaxx.cli.plan_shown import show_plan
from dynaxx.cli.propose import Wish
from dynaxx.cli.propose import answer as answer_wish
from dynaxx.cli.quantity import amount, lasting, size_of
from dynaxx.cli.table import table
from dynaxx.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console


File = Annotated[str | None, typer.Argument(metavar="FILE", help=RUN)]
Place = Annotated[
    Literal["auto", "resident", "one-at-a-time"], typer.Option(help="Where weights are; auto is what the cap allows.")
]
Cap = Annotated[str | None, typer.Option(metavar="SIZE", help="The most memory that a run may use: 8GiB.")]
Settings = Annotated[list[str] | None, typer.Option(metavar="PATH=VALUE", help="A setting: base.solver.steps=10.")]
On = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="cpu, cuda, mps, xpu, or one that this machine lacks: h100-sxm, ...", show_default="cpu"
    ),
]
Calibrate = Annotated[
    bool, typer.Option("--calibrate", help="First time this machine, for at most a minute, and keep what it found.")
]
Prices = Annotated[bool, typer.Option("--prices", help="Put prices where you can edit them.")]
Pretrained = Annotated[
    str | None, typer.Option(metavar="NAME", help="A published pipeline instead: sdxl, sd-x4, ltx-video, ...")
]
Target = Annotated[
    str | None, typer.Option(metavar="HxW", help="Propose a cascade for signals of this size instead: 64x64.")
]
Latency = Annotated[float | None, typer.Option(min=0, metavar="S", help="Of a sample, at most.")]
Memory = Annotated[float | None, typer.Option(min=0, metavar="GIB", help="While sampling, at most.")]
Hours = Annotated[float | None, typer.Option(min=0, metavar="H", help="Of training, at most.")]
Dollars = Annotated[float | None, typer.Option(min=0, metavar="USD", help="Of training, at most.")]
Insert = Annotated[
    bool, typer.Option("--insert", help="Propose where one more bridge would go, and write that cascade (--out).")
]
Page = Annotated[Path | None, typer.Option(metavar="FILE", help="Write the plan, or the proposal, as a page too.")]
COMES = {"mapped_bytes_s": "mapped", "pinned_bytes_s": "from page-locked memory", "disk_bytes_s": "from the disk"}
"""How weights come, by the names of a calibration's rates."""
Over = Annotated[
    list[str] | None,
    typer.Option(metavar="[NAME=]LIST", help="Stages over several, as in sample; with --target a number."),
]
Quality = Annotated[Literal["draft", "good", "best"], typer.Option(help="How long the proposed stages are trained.")]


def plan(
    context: typer.Context,
    file: File = None,
    samples: Annotated[int, typer.Option("--samples", "--num", min=1, metavar="N", help="Samples of the run.")] = 1,
    batch: Annotated[int, typer.Option(min=1, metavar="N", help="Samples that pass a stage at once.")] = 64,
    placement: Place = "auto",
    memory_cap: Cap = None,
    size: Annotated[str | None, typer.Option(metavar="HxW", help="The base size, where the file fixes none.")] = None,
    set: Settings = None,
    device: On = None,
    calibrate: Calibrate = False,
    prices: Prices = False,
    pretrained: Pretrained = None,
    target: Target = None,
    latency: Latency = None,
    memory: Memory = None,
    train_hours: Hours = None,
    train_cost: Dollars = None,
    quality: Quality = "good",
    devices: Over = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="The cascade file to write.")] = None,
    page: Page = None,
    insert: Insert = False,
    as_json: Json = False,
) -> Answer:
    """Say what sampling and training a cascade will take. Reads no weights."""
    check_together(context)
    if prices:
        return _prices()
    on = "cpu" if device is None else device
    if pretrained is not None:
        return _pretrained(pretrained, on)
    if calibrate:
        found = _calibrate(on)
        if file is None and target is None:
            return found
    if sizes := parse_size(target, option="--target"):
        bounds = {
            "latency_s": latency, "memory_gib": memory, "train_hours": train_hours, "train_cost_usd": train_cost,
        }  # fmt: skip
        return answer_wish(Wish(sizes, quality, bounds, on, how_many(devices), out, page))
    if file is None:
        raise UsageError("FILE", "is missing.", "Name a cascade file, or ask for --target or --calibrate.")
    if insert:
        return answer_insertion(file, parse_size(size), on, out)
    with loading():
        from dynaxx.plan.table import Question, answer

    over, kind = over_devices(devices, device)
    question = Question(
        file, samples=samples, batch=batch, placement=placement, size=parse_size(size),
        memory_cap=parse_bytes(memory_cap), settings=parse_settings(set or ()), device=kind,
        devices=over, compared=page is not None,
    )  # fmt: skip
    data = answer(question)
    if page is not None:
        _write_page(data, page)
    return Answer(data, lambda console: show_plan(data, console))


def _write_page(data: dict[str, Any], page: Path) -> None:
    from dynaxx.share.plan_page import render_plan
    from dynaxx.store.atomic import write_text

    write_text(page, render_plan(data))
    data["page"] = str(page)


def _prices() -> Answer:
    from dynaxx.plan.money import copy_prices

    file = copy_prices()
    return Answer({"prices": str(file)}, lambda console: console.print(f"{file}: edit it.", markup=False))


def _pretrained(name: str, device: str) -> Answer:
    with loading():
        from dynaxx.plan.published.table import published_table
    data = published_table(name, device)

    def show(console: Console) -> None:
        console.print(f"{data['name']}: {data['title']}", markup=False)
        heads = ("stage", "network on", "parameters", "weights", "FLOPs an evaluation", "peak", "time of one")
        table(console, heads, [_published_row(stage) for stage in data["stages"]])
        for stage in data["stages"]:
            console.print(f"{stage['name']}: {stage['source']}", markup=False, soft_wrap=True)
        console.print(f"time on {data['device']}: {data['clock']}", markup=False, soft_wrap=True)

    return Answer(data, show)


def _published_row(stage: dict[str, Any]) -> tuple[str, ...]:
    weights, peak = size_of(stage["weights_bytes"]), size_of(stage["peak_bytes"])
    flops = amount(stage["flops_per_evaluation"])
    took = lasting(stage["evaluation_s"])
    return stage["name"], stage["grid"], f"{stage['parameters']:,}", weights, flops, peak, took


def _calibrate(device: str) -> Answer:
    with loading():
        from dynaxx.plan.time.calibrate import calibrate
        from dynaxx.plan.time.interval import Z90
        from dynaxx.plan.time.kept import keep
        from dynaxx.signal.device import usable

    console, on = notes(), usable(device)
    with console.status("timing this machine") as status:
        clock = calibrate(on, on_probe=lambda what, used: status.update(f"{what}, {min(used, 1):.0%} of a minute"))
    kept = keep(clock, on)
    spread = {"sample": clock.sample.spread, "train": clock.train.spread}
    spread |= {dtype: half.spread for dtype, half in clock.halves.items()}
    told = ", ".join(f"{mode} within {100 * Z90 * value:.0f}%" for mode, value in spread.items())
    rates = {} if clock.transfer is None else clock.transfer.to_json()
    comes = ", ".join(f"{size_of(rates[key])}/s {said}" for key, said in COMES.items() if rates.get(key))
    lines = [f"{clock.name}: {told}{'' if kept else ' (could not be kept)'}", *([f"weights: {comes}"] if comes else [])]
    data = {"device": clock.name, "spread": spread, "transfer": rates or None, "kept": kept}
    return Answer(data, lambda page: page.print("\n".join(lines), markup=False, soft_wrap=True))
