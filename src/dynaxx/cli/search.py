"""What `dynaxx tune` does: open the cascade, search, confirm, and write file, figures and page."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynaxx.cli.look import data_in
from dynaxx.cli.progress import bar
from dynaxx.engine.cascade import Cascade
from dynaxx.engine.runtime import Runtime
from dynaxx.errors import UsageError
from dynaxx.evolve.tune.run import Options, Tuned, Tuning
from dynaxx.evolve.tune.search import Bound, Tried
from dynaxx.plan.time.choose import Clock, clock_for
from dynaxx.share.output_folder import check_writable, make_folder
from dynaxx.share.tuning_page import render_tuning
from dynaxx.store.atomic import write_text
from dynaxx.store.strict_json import strict_json

if TYPE_CHECKING:
    from rich.console import Console

FILE, FIGURES, PAGE, KEPT = "cascade.yaml", "tuned.json", "index.html", "runs"


@dataclass(frozen=True)
class Order:
    """The command's options, read."""

    run: str
    share: float
    latency_s: float | None
    within: float
    budget_s: float
    data: Path | None
    num: int
    fresh: int
    seed: int
    batch: int
    out: Path


def search(order: Order, console: Console) -> dict[str, Any]:
    """Search and confirm; gives what was found as plain data, which is also written."""
    check_writable(order.out)
    cascade = Cascade.from_pretrained(order.run, runtime=Runtime(batch_size=order.batch))
    options = Options(
        Bound(order.share, order.latency_s), order.budget_s, order.num, order.fresh, order.within, order.seed,
        make_folder(order.out / KEPT), data_in(order.data), _clock(order.latency_s),
    )  # fmt: skip
    with bar() as on_step:
        tuning = Tuning(cascade, options, on_step=on_step)
        for done in tuning.steps():
            console.print(_line(done), markup=False, highlight=False, soft_wrap=True)
        found = tuning.tuned(order.out / FILE)
    return _written(found, order, cascade.spec.name)


def _clock(latency_s: float | None) -> Clock | None:
    """This machine's calibration.

    Raises:
        UsageError: where a latency is asked for, and the machine was never calibrated.
    """
    clock, _ = clock_for("cpu")
    if latency_s is not None and clock is None:
        fix = "Time it once: dynaxx plan --calibrate."
        raise UsageError("--latency", "cannot be held against this machine, which is not calibrated.", fix)
    return clock


def _line(done: Tried) -> str:
    best = max(done.round.stay, key=lambda one: one.score.value)
    kept = f"{len(done.round.ran)} tried, {len(done.round.stay)} kept"
    return f"{done.part}, {done.what}: {kept}; best {best.score.value:.3f}, {best.choice.words}"


def _written(found: Tuned, order: Order, name: str) -> dict[str, Any]:
    data = {
        "name": name, "from": order.run, "command": " ".join(["dynaxx", *sys.argv[1:]]), "says": says(found),
        **found.to_json(), "file": str(order.out / FILE) if found.changes else None, "page": str(order.out / PAGE),
    }  # fmt: skip
    write_text(order.out / FIGURES, strict_json(data, indent=2) + "\n")
    write_text(order.out / PAGE, render_tuning(data))
    return data


def says(found: Tuned) -> str:
    """The result in a sentence or two."""
    if found.choice is None:
        return "No choice that was tried lies inside the bound: allow more, or search longer."
    if found.confirmed is None:
        return "Nothing that was tried is better inside the bound than the cascade as it is."
    ratio, share = found.confirmed.ratio, found.then.total / found.now.total
    low = "not bounded" if ratio.low is None else f"at least {ratio.low:.3f} with 95%"
    told = f"{share:.0%} of the {found.now.unit}, {ratio.value or 0:.3f} times the score ({low}), on "
    told += f"{found.confirmed.num} {found.confirmed.signals}."
    if found.shown:
        return told
    return f"{told} That it loses at most {found.within:.0%} is not shown: confirm on more signals (--fresh, --budget)."
