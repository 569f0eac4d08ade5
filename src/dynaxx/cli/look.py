"""What `dynaxx lens` does: open the cascade, say what a look will cost, look, and write the report."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from dynaxx.cli.cap import said_of_cap
from dynaxx.cli.given import name_given, read_given
from dynaxx.cli.progress import bar, note
from dynaxx.engine.cascade import Cascade
from dynaxx.engine.runtime import Runtime
from dynaxx.errors import DataError
from dynaxx.evolve.apply import apply
from dynaxx.lens.findings import Report
from dynaxx.lens.look import Look
from dynaxx.lens.open import Options, look
from dynaxx.lens.probes import Budget
from dynaxx.share.output_folder import check_writable
from dynaxx.share.page import duration
from dynaxx.share.report import write_report
from dynaxx.spec.data import DataSpec, FieldsData, FolderData
from dynaxx.spec.graph import nodes

if TYPE_CHECKING:
    from rich.console import Console

KEPT = "runs"
"""The folder below the report's in which runs are kept."""


@dataclass(frozen=True)
class Order:
    """The command's options, read."""

    run: str
    data: Path | None
    prompts: Path | None
    out: Path
    budget: Budget
    num: int | None
    seed: int
    against: str | None
    apply: bool
    keep: bool
    batch: int
    memory_cap: int | None = None
    inputs: Mapping[str, Path] = field(default_factory=dict)
    device: str | None = None
    download: bool = False


def look_into(order: Order, console: Console) -> tuple[Report, Path]:
    """Look, and write the report; gives it with the path of its page."""
    check_writable(order.out)
    runtime = Runtime(
        device=order.device, allow_download=order.download, batch_size=order.batch, memory_cap=order.memory_cap
    )
    cascade = Cascade.from_pretrained(order.run, runtime=runtime)
    other = Cascade.from_pretrained(order.against, runtime=runtime) if order.against else None
    given = _given(cascade, order)
    options = Options(order.num, order.budget, order.seed, order.out / KEPT if order.keep else None, against=other)
    with bar() as on_step:
        view = look(
            cascade, data=data_in(order.data), prompts=_prompts(order.prompts), given=given, options=options,
            on_step=on_step,
        )  # fmt: skip
        _say_cost(view, console)
        for done in view.steps():
            words = done.left_out or (
                f"{done.latency_s:.1f} s"
                + (" (nothing had to be run anew)" if done.cached and done.evaluations else "")
            )
            console.print(f"{done.index + 1:>3}/{done.count} {done.name}: {words}", markup=False, highlight=False)
    lensed = view.lensed()
    method = {**lensed.report.method, "command": " ".join(["dynaxx", *sys.argv[1:]])}
    report = replace(lensed.report, method=method, cascade={**lensed.report.cascade, "from": order.run})
    if order.apply and view.bench.reference is not None:
        count = len(view.bench.reference)
        file, data = order.out / "cascade.yaml", data_in(order.data)
        made = apply(cascade, report.findings, file, num=count, data=data, given=given, seed=order.seed)
        report = replace(report, applied=made.to_json() if made else None)
    if said := said_of_cap(order.memory_cap, runtime.on):
        note(said)
    return report, write_report(replace(lensed, report=report), order.out)


def _given(cascade: Cascade, order: Order) -> dict[str, Tensor]:
    """The user's inputs, as many of each as there are samples at most."""
    graph = nodes(cascade.spec, size=cascade.runtime.size)
    files = name_given(cascade.spec, graph, from_stage=None, low=None, named=order.inputs)
    return read_given(cascade.spec, graph, files, count=Options(order.num, order.budget).count, on_note=note)


def _say_cost(view: Look, console: Console) -> None:
    """What the look will cost, before it runs."""
    second, total = view.second, 0.0
    for probe, reason in view.plan():
        takes = sum(count * second.get(name, 0.0) for name, count in probe.cost.items())
        total += 0.0 if reason else takes
        words = f"left out: {reason}" if reason else _cost(probe.evaluations, takes)
        console.print(f"  {probe.name}: {words}", markup=False, highlight=False)
    console.print(f"At most {duration(total)} of network evaluations in all.", markup=False, highlight=False)


def _cost(evaluations: int, takes_s: float) -> str:
    return f"{evaluations} evaluations, about {duration(takes_s)}" if evaluations else "from what the others evaluate"


def data_in(folder: Path | None) -> DataSpec | None:
    """The recipe of a folder, or a file, of real pictures or arrays."""
    if folder is None:
        return None
    place = str(folder.expanduser().absolute())
    arrays = folder.suffix in (".npy", ".npz") or any(folder.glob("*.np[yz]"))
    return FieldsData(path=place) if arrays else FolderData(path=place)


def _prompts(file: Path | None) -> list[str]:
    """The lines of a file that hold something.

    Raises:
        DataError: where it cannot be read, or holds nothing.
    """
    if file is None:
        return []
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(str(file), f"cannot be read ({error}).", "Name a text file, a prompt a line.") from error
    found = [line.strip() for line in lines if line.strip()]
    if not found:
        raise DataError(str(file), "holds no prompt.", "Write one a line.")
    return found
