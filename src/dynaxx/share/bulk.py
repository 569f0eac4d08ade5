"""Thousands of samples into a folder, each exactly once: what is there stays, what is not is drawn."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

import torch

from dynaxx.engine.cascade import Cascade
from dynaxx.engine.folder import weights_digest
from dynaxx.engine.observe import observe
from dynaxx.engine.run import OnStep
from dynaxx.engine.trace import Trace
from dynaxx.share.files import write_signal
from dynaxx.share.tally import CAPTIONS, Tally
from dynaxx.spec.identity import run_id
from dynaxx.stage.build import weights_folder
from dynaxx.store.atomic import write_text


@final
@dataclass(frozen=True)
class Job:
    """`num` samples of each prompt or label, numbered in this order; `batch` of them are drawn at once."""

    prompts: tuple[str, ...] = ()
    labels: tuple[int, ...] = ()
    num: int = 1
    seed: int = 0
    batch: int = 64
    until: str | None = None

    @property
    def total(self) -> int:
        """How many samples are asked for."""
        return max(len(self.prompts), len(self.labels)) * self.num

    @property
    def batches(self) -> int:
        """How many batches they make."""
        return -(-self.total // self.batch)

    def numbers(self, batch: int) -> range:
        """The samples of a batch, always `batch` of them: those past the last are drawn and dropped."""
        return range(batch * self.batch, (batch + 1) * self.batch)

    def facts(self, cascade: Cascade) -> dict[str, Any]:
        """All that the samples depend on, as plain data."""
        asked = json.dumps([self.prompts, self.labels]).encode()
        stages, devices = cascade.spec.stages, cascade.runtime.devices or (str(cascade.runtime.on),)
        return {
            "run_id": run_id(cascade.spec),
            "weights": {stage.name: weights_digest(weights_folder(stage, cascade.root)) for stage in stages},
            "size": list(cascade.runtime.size) if cascade.runtime.size else None,
            "prompts": hashlib.sha256(asked).hexdigest(),
            **{key: getattr(self, key) for key in ("num", "seed", "total", "batch", "until")},
            "torch": torch.__version__, "threads": torch.get_num_threads(), "device": ", ".join(devices),
        }  # fmt: skip


@final
@dataclass(frozen=True)
class Drawn:
    """A batch whose files are on disk: `done` of `total` samples are there now; `seats` says which devices made it."""

    batch: int
    files: tuple[Path, ...]
    done: int
    total: int
    seats: str = ""


def draw_bulk(cascade: Cascade, job: Job, tally: Tally, *, on_step: OnStep | None = None) -> Iterator[Drawn]:
    """Draw the batches that `tally` lacks, one after another, and last write `metadata.jsonl`, a data folder's table.

    The same files whatever was there before, byte for byte on one machine at one batch size: networks see batches of
    that size only, and a sample's random numbers follow from seed and number.
    """
    cascade = Cascade(cascade.spec, cascade.stages, root=cascade.root, runtime=_sized(cascade, job))
    for batch in range(job.batches):
        if batch not in tally.done:
            files, trace = _draw(cascade, job, batch, tally.folder, on_step)
            tally.add(batch, files)
            observe(cascade, trace)
            yield Drawn(batch, files, there(tally.done), job.total, trace.seats)
    names = sorted(name for files in tally.done.values() for name in files)
    lines = [{"file_name": name, **_asked(job, int(Path(name).stem))} for name in names]
    write_text(tally.folder / CAPTIONS, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))


def there(done: Mapping[int, Mapping[str, Any]]) -> int:
    """How many samples these batches hold."""
    return sum(len(files) for files in done.values())


def _draw(
    cascade: Cascade, job: Job, batch: int, folder: Path, on_step: OnStep | None
) -> tuple[tuple[Path, ...], Trace]:
    numbers = job.numbers(batch)
    asked = [min(number, job.total - 1) // job.num for number in numbers]
    prompts = [job.prompts[place] for place in asked] if job.prompts else None
    labels = [job.labels[place] for place in asked] if job.labels else None
    samples = cascade.sample(
        prompts, labels=labels, seed=job.seed, ids=numbers, until=job.until, decode=True, on_step=on_step
    )
    files = tuple(
        write_signal(samples.x[place], folder / f"{number:06d}", samples.provenance(place), space=samples.space)
        for place, number in enumerate(numbers)
        if number < job.total
    )
    return files, samples.trace


def _asked(job: Job, number: int) -> dict[str, Any]:
    place = number // job.num
    text = {"text": job.prompts[place]} if job.prompts else {}
    return text | ({"label": job.labels[place]} if job.labels else {})


def _sized(cascade: Cascade, job: Job) -> Any:
    return replace(cascade.runtime, batch_size=job.batch)
