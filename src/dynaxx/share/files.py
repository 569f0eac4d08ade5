"""Samples as files: pictures as PNG, everything else as `.npy`, and the trace beside them."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from dynaxx.engine.samples import Samples
from dynaxx.engine.trace import Trace
from dynaxx.errors import RunError
from dynaxx.share.png import encode_png, is_picture, to_pixels
from dynaxx.store.atomic import write_bytes, write_text


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


def write_samples(samples: Samples, folder: Path) -> Written:
    """Write `ID.png` per sample, `stages/NODE/ID.png` and `ID.INPUT.png` where stages were kept, and `run.json`.

    Every PNG carries run_id, seed, id, levels, steps and prompt in its text chunks.
    """
    files, stage_files = [], []
    for index, number in enumerate(samples.trace.ids):
        facts = samples.provenance(index)
        files.append(write_signal(samples.x[index], folder / f"{number:06d}", facts))
        for node, outputs in samples.stages.items():
            here = folder / "stages" / node
            stage_files.append(write_signal(outputs[index], here / f"{number:06d}", facts))
            for name, x in samples.inputs.get(node, {}).items():
                stage_files.append(write_signal(x[index], here / f"{number:06d}.{name}", facts))
    written = Written(folder, tuple(files), tuple(stage_files), samples.prompts, samples.trace)
    write_text(folder / "run.json", json.dumps(written.to_json(), indent=2, ensure_ascii=False) + "\n")
    return written


def make_folder(folder: Path) -> Path:
    """Make a folder to write to, parents too; before a long run this shows early that it cannot be.

    Raises:
        RunError: where it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise RunError(str(folder), f"cannot be made: {reason}.", "Choose another folder to write to.") from error
    return folder


def write_signal(x: Tensor, stem: Path, facts: Mapping[str, str]) -> Path:
    """Write one sample `(C, *size)` in [-1, 1] to `stem.png`, or to `stem.npy` where it is no picture."""
    if is_picture(x):
        path, data = stem.with_name(stem.name + ".png"), encode_png(to_pixels(x), facts)
    else:
        buffer = io.BytesIO()
        np.save(buffer, x.float().cpu().numpy(), allow_pickle=False)
        path, data = stem.with_name(stem.name + ".npy"), buffer.getvalue()
    make_folder(path.parent)
    write_bytes(path, data)
    return path
