"""A report as a folder: the page, `findings.json`, and the worst samples as pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dynaxx.lens.findings import Lensed, Worst
from dynaxx.share.output_folder import make_folder
from dynaxx.share.png import encode_png
from dynaxx.share.report_page import render_report
from dynaxx.share.show import show
from dynaxx.store.atomic import write_bytes, write_text
from dynaxx.store.strict_json import strict_json

PAGE, FINDINGS, PICTURES = "index.html", "findings.json", "pictures"


def write_report(lensed: Lensed, folder: Path) -> Path:
    """Write `index.html`, `findings.json` and `pictures/` into a folder; the answer is the page.

    The pictures of a former report there are removed; `findings.json` names its own under `samples`.

    Raises:
        RunError: where the folder cannot be made.
    """
    make_folder(folder / PICTURES)
    former = _named(folder)
    samples, pictures = _pictures(lensed.worst)
    findings = lensed.report.to_json() | {"samples": samples}
    text = strict_json(findings, indent=2)
    for name, png in pictures.items():
        write_bytes(folder / name, png)
    write_text(folder / FINDINGS, text + "\n")
    write_text(folder / PAGE, render_report(json.loads(text), pictures))
    for name in former - pictures.keys():
        (folder / name).unlink(missing_ok=True)
    return folder / PAGE


def _pictures(worst: Sequence[Worst]) -> tuple[list[dict[str, Any]], dict[str, bytes]]:
    """The samples as `findings.json` has them, and the files that they name."""
    samples, files = [], {}
    for sample in worst:
        frames = []
        for node, x in sample.frames.items():
            stem, truth = f"{PICTURES}/{sample.id:06d}.{node}", sample.truth.get(node)
            files[f"{stem}.png"] = encode_png(show(x))
            if truth is not None:
                files[f"{stem}.truth.png"] = encode_png(show(truth))
            frames.append(
                {"stage": node, "file": f"{stem}.png", "truth": None if truth is None else f"{stem}.truth.png"}
            )
        said = {"id": sample.id, "prompt": sample.prompt, "score": sample.score, "says": sample.says}
        samples.append({**said, "frames": frames})
    return samples, files


def _named(folder: Path) -> set[str]:
    """The pictures that the folder's `findings.json` names; none where it is missing or not ours."""
    try:
        samples = json.loads((folder / FINDINGS).read_text("utf-8"))["samples"]
        names = [str(frame[key]) for sample in samples for frame in sample["frames"] for key in ("file", "truth")]
    except (OSError, ValueError, TypeError, KeyError):
        return set()
    return {name for name in names if Path(name).parent == Path(PICTURES) and name.endswith(".png")}
