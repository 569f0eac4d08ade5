"""What `dynaxx sample --prompts` does: thousands of samples, each exactly once, however often it is stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dynaxx.cli.cap import said_of_cap
from dynaxx.cli.options import Devices
from dynaxx.cli.wishes import read_wishes
from dynaxx.engine.afford import out_of_memory
from dynaxx.engine.cascade import Cascade
from dynaxx.engine.run import OnStep
from dynaxx.engine.runtime import Runtime
from dynaxx.engine.stop import Stop
from dynaxx.share.bulk import Drawn, Job, draw_bulk, there
from dynaxx.share.output_folder import check_writable
from dynaxx.share.tally import Tally, read_manifest
from dynaxx.spec.bundled import resolve
from dynaxx.spec.files import load
from dynaxx.spec.override import tile_settings
from dynaxx.store.lock import locked

BATCH = 64


@dataclass(frozen=True)
class BulkOrder:
    """The command's options, read; `batch` is the folder's own, or 64, where none is given."""

    run: str
    file: Path
    num: int
    seed: int
    out: Path
    until: str | None
    size: tuple[int, ...] | None
    settings: dict[str, str]
    batch: int | None
    memory_cap: int | None = None
    probe: bool = False
    tile: int | None = None
    levers: tuple[str, ...] = ()
    spread: Devices = None
    device: str | None = None
    download: bool = False


@dataclass(frozen=True)
class Filled:
    """A folder that holds all its samples: `drawn` of them are new, `before` were there."""

    folder: Path
    drawn: int
    before: int
    batch: int

    def to_json(self) -> dict[str, Any]:
        """The record as plain data."""
        counts = {"total": self.drawn + self.before, "drawn": self.drawn, "before": self.before}
        return {"folder": str(self.folder), **counts, "batch": self.batch}


def fill(
    order: BulkOrder, on_step: OnStep | None, on_drawn: Callable[[Drawn], None], note: Callable[[str], None]
) -> Filled:
    """Draw what the folder lacks.

    Raises:
        StoppedError: after SIGINT or SIGTERM, when the batch is done and noted.
        DynaxxError: of the kind that says what cannot be.
    """
    (prompts, labels), place = read_wishes(order.file), resolve(order.run)
    spec, batch = load(place), order.batch or (read_manifest(order.out) or {}).get("batch", BATCH)
    job = Job(prompts, labels, order.num, order.seed, batch, order.until)
    check_writable(order.out)
    runtime = Runtime(
        device=order.device,
        allow_download=order.download,
        batch_size=batch,
        probe=order.probe,
        size=order.size,
        memory_cap=order.memory_cap,
        levers=order.levers,
        spread=order.spread,
    )
    settings = {**tile_settings(spec, order.tile, order.size), **order.settings}
    with out_of_memory(), locked(order.out / ".lock", folder=order.out, what="run") as lock:
        cascade = Cascade.from_spec(spec, root=place.parent, runtime=runtime).with_settings(settings)
        with Tally(order.out, job.facts(cascade)) as tally, Stop() as stop:
            before = there(tally.done)
            for line in [*tally.passed_over, *_remarks(tally, before, job), *cascade.notes(job.prompts)]:
                note(line)
            for drawn in draw_bulk(cascade, job, tally, on_step=on_step):
                lock.check()
                if drawn.seats and drawn.done - before == len(drawn.files):
                    note(drawn.seats)
                on_drawn(drawn)
                if stop.asked and drawn.done < drawn.total:
                    raise stop.error(f"{order.out}, {drawn.done} of {drawn.total} samples", stop.asked)
    if said := said_of_cap(order.memory_cap, runtime.on):
        note(said)
    return Filled(order.out, job.total - before, before, batch)


def _remarks(tally: Tally, before: int, job: Job) -> list[str]:
    found = [f"{before} of {job.total} samples are there; the rest is drawn."] if 0 < before < job.total else []
    if tally.around and before < job.total:
        found.append(f"Another {' and '.join(tally.around)} than before: the same samples up to rounding only.")
    return found
