"""What `dynaxx tune` does: open the cascade, search, confirm, and write file, figures and page."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynaxx.cli.former import FIGURES, FILE, KEPT, PAGE, check_apart, check_former, contents, identity
from dynaxx.cli.look import data_in
from dynaxx.cli.progress import bar
from dynaxx.engine.cascade import Cascade
from dynaxx.engine.runtime import Runtime
from dynaxx.evolve.tune.run import Options, Tuned, Tuning
from dynaxx.evolve.tune.search import Bound, Tried
from dynaxx.evolve.tune.words import says
from dynaxx.lens.fingerprint import digest_of
from dynaxx.plan.told import teller_for
from dynaxx.share.output_folder import check_writable, make_folder
from dynaxx.share.tuning_page import render_tuning
from dynaxx.store.atomic import write_text
from dynaxx.store.strict_json import strict_json

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Order:
    """The command's options, read."""

    run: str
    share: float | None
    latency_s: float | None
    within: float
    budget_s: float
    data: Path | None
    num: int
    fresh: int
    seed: int
    batch: int
    out: Path
    device: str | None = None
    download: bool = False


def search(order: Order, console: Console) -> dict[str, Any]:
    """Search and confirm; gives what was found as plain data, which is also written.

    Where nothing pays, a former result stays as it is.
    """
    check_apart(order.run, order.out)
    check_writable(order.out)
    runtime = Runtime(device=order.device, allow_download=order.download, batch_size=order.batch)
    cascade = Cascade.from_pretrained(order.run, runtime=runtime)
    former = check_former(cascade, order.out)
    teller, _ = teller_for(str(cascade.runtime.on), cascade.spec.condition)
    options = Options(
        Bound.of(order.share, order.latency_s), order.budget_s, order.num, order.fresh, order.within, order.seed,
        order.out / KEPT, data_in(order.data), teller,
    )  # fmt: skip
    with bar() as on_step:
        tuning = Tuning(cascade, options, on_step=on_step)
        make_folder(order.out / KEPT)
        for done in tuning.steps():
            console.print(_line(done), markup=False, highlight=False, soft_wrap=True)
        found = tuning.tuned()
    return _written(found, tuning.text(found, order.out / FILE), order, cascade, former)


def _line(done: Tried) -> str:
    best = max(done.round.stay, key=lambda one: one.score.value)
    kept = f"{len(done.round.ran)} tried, {len(done.round.stay)} kept"
    return f"{done.part}, {done.what}: {kept}; best {best.score.value:.3f}, {best.choice.words}"


def _written(found: Tuned, text: str | None, order: Order, cascade: Cascade, former: bool) -> dict[str, Any]:
    """Figures first: they know the file to come and the one before, so that who is killed in between can go on."""
    stays = former and not found.shown
    words = f"{says(found)} {order.out / FILE} is from an earlier call, and stays as it was." if stays else says(found)
    data = {
        "name": cascade.spec.name, "from": order.run, "command": " ".join(["dynaxx", *sys.argv[1:]]), "says": words,
        **found.to_json(), "file": str(order.out / FILE) if found.shown else None,
        "page": None if stays else str(order.out / PAGE), "cascade_digest": identity(cascade, order.out),
        "file_digests": [digest_of([], text), *contents(order.out / FILE)] if text is not None else [],
    }  # fmt: skip
    if not stays:
        write_text(order.out / FIGURES, strict_json(data, indent=2) + "\n")
        if text is not None:
            write_text(order.out / FILE, text)
        write_text(order.out / PAGE, render_tuning(data))
    return data
