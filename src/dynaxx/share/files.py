"""Samples as files: pictures as PNG, everything else as `.npy`, and the trace beside them."""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from dynaxx.engine.samples import Samples
from dynaxx.engine.trace import Trace
from dynaxx.share.output_folder import RECORD, clear, make_folder
from dynaxx.share.png import encode_png, is_picture, to_pixels
from dynaxx.spec.grid import PIXELS
from dynaxx.store.atomic import write_bytes, write_text
from dynaxx.store.strict_json import strict_json

DECODED = ".decoded"
"""What stands behind the number of a file that shows what latents stand for."""


@dataclass(frozen=True)
class Written:
    """What was written where: one file per sample, and those of the stages that were kept."""

    folder: Path
    files: tuple[Path, ...]
    stage_files: tuple[Path, ...]
    prompts: tuple[str, ...]
    trace: Trace

    def to_json(self) -> dict[str, Any]:
        """The record as plain data."""
        return {
            "folder": str(self.folder),
            "files": [str(file) for file in self.files],
            "stage_files": [str(file) for file in self.stage_files],
            "prompts": list(self.prompts),
            "trace": self.trace.to_json(),
        }


def write_samples(samples: Samples, folder: Path, *, spare: Collection[Path] = ()) -> Written:
    """Write `ID.png` per sample, `stages/NODE/ID.png` and `ID.INPUT.png` where stages were kept, and `run.json`.

    Every PNG carries run_id, seed, id, levels, steps and prompt in its text chunks; latents and signals that are no
    pictures become `.npy`, beside the pictures that latents stand for where the run decoded them. What a former run
    wrote to this folder goes first, but for the files to `spare`.
    """
    clear(folder, spare=spare)
    records = {record.name: record for record in samples.trace.nodes}
    files, stage_files = [], []
    for index, number in enumerate(samples.trace.ids):
        facts = samples.provenance(index)
        files.append(write_signal(samples.x[index], folder / f"{number:06d}", facts, space=samples.space))
        for node, outputs in samples.stages.items():
            here, record = folder / "stages" / node, records[node]
            stage_files.append(write_signal(outputs[index], here / f"{number:06d}", facts, space=record.space))
            if node in samples.decoded:
                stem = here / f"{number:06d}{DECODED}"
                stage_files.append(write_signal(samples.decoded[node][index], stem, facts))
            for name, x in samples.inputs.get(node, {}).items():
                stem = here / f"{number:06d}.{name}"
                stage_files.append(write_signal(x[index], stem, facts, space=record.input_spaces[name]))
    written = Written(folder, tuple(files), tuple(stage_files), samples.prompts, samples.trace)
    write_text(folder / RECORD, strict_json(written.to_json(), indent=2) + "\n")
    return written


def write_signal(x: Tensor, stem: Path, facts: Mapping[str, str], *, space: str = PIXELS) -> Path:
    """Write one sample `(C, *size)` in [-1, 1] to `stem.png`, or to `stem.npy` where it is no picture."""
    if is_picture(x, space=space):
        path, data = stem.with_name(stem.name + ".png"), encode_png(to_pixels(x), facts)
    else:
        buffer = io.BytesIO()
        np.save(buffer, x.float().cpu().numpy(), allow_pickle=False)
        path, data = stem.with_name(stem.name + ".npy"), buffer.getvalue()
    make_folder(path.parent)
    write_bytes(path, data)
    return path
