"""Samples that were drawn in Python as files, the same that `dynaxx sample` writes."""

from __future__ import annotations

from pathlib import Path

from dynaxx.engine.samples import Samples
from dynaxx.errors import RunError
from dynaxx.share.files import write_samples
from dynaxx.share.output_folder import check_writable
from dynaxx.share.tally import read_manifest


def save(samples: Samples, folder: str | Path) -> Path:
    """Write `ID.png` per sample, those of the stages that were kept, and `run.json`; give the folder.

    Every picture carries its run id, seed, levels and prompt; signals that are no pictures become `.npy`. What a former
    run wrote to the folder is replaced.

    Raises:
        RunError: where the folder cannot be written to, or holds the samples of a file of prompts.
    """
    place = check_free(Path(folder))
    write_samples(samples, place)
    return place


def check_free(folder: Path) -> Path:
    """See that samples may be written to a folder: it can be, and no work that goes on lies there.

    Raises:
        RunError: where they may not.
    """
    check_writable(folder)
    if read_manifest(folder) is not None:
        fix = "Choose another folder (--out); --prompts goes on with it."
        raise RunError(str(folder), "holds the samples of a file of prompts.", fix)
    return folder
