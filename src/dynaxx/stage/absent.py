"""Pretrained parts that are not on this machine: what is said of them, and how they may be fetched."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from dynaxx.errors import RunError
from dynaxx.spec.facts import folder_of

ALLOW = "allow downloads: --download, Runtime(allow_download=True)"
HUB_ID = re.compile(r"\w[\w.-]*(/[\w.-]+)*")
"""What is no path for certain: it begins with a name, and ends with none of a folder's marks."""
HINT = re.compile(r"[^.]*\blocal_files_only\b.*", re.DOTALL)
"""The libraries' own way out, which is an argument of a call that is ours."""


def refuse_absent(where: str, load: str, root: Path | None, ways: Sequence[str], *, allow_download: bool) -> None:
    """See that a folder, or what the hub has under an id, is here, or may be fetched.

    Raises:
        RunError: if it is not, with the ways out.
    """
    if not allow_download and folder_of(load, root) is None:
        fix = ways_out(ways, load, root, allow_download=allow_download)
        raise RunError(where, f"{load!r} is not on this machine.", fix)


def ways_out(ways: Sequence[str], load: str, root: Path | None, *, allow_download: bool) -> str:
    """The ways out as a sentence: downloads are one where they are off, and no folder is meant."""
    fetched = not allow_download and HUB_ID.fullmatch(load) and not ((root or Path()) / load).is_dir()
    found = [*ways, ALLOW] if fetched else list(ways)
    return f"{', '.join(found[:-1])}, or {found[-1]}." if len(found) > 1 else f"{found[0]}."


def reason_of(error: Exception) -> str:
    """The first line of what a library says, less its own way out; the error's name where nothing is left."""
    lines = HINT.sub("", str(error)).strip().splitlines()
    return lines[0].rstrip(". ") if lines else type(error).__name__
