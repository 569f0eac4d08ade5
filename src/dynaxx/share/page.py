"""The demo page: one HTML file that shows pictures coming out of a cascade, stage by stage.

It takes plain data, so that anything that ran a cascade can fill it, and needs no network to be read.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import jinja2
import numpy as np
from numpy.typing import NDArray

from dynaxx.share.png import encode_png

Pixels = NDArray[np.uint8]
"""Pixels `(H, W, 3)` in 0 .. 255."""
PIXELATED_BELOW = 96
"""Grids smaller than this are shown with their sites visible."""


@dataclass(frozen=True)
class Picture:
    """A picture as PNG bytes, its (height, width), and what it shows in words."""

    png: bytes
    size: tuple[int, int]
    alt: str

    @classmethod
    def of(cls, pixels: Pixels, alt: str) -> Picture:
        """The picture of an array `(H, W, 3)` in 0 .. 255."""
        return cls(encode_png(pixels), (pixels.shape[0], pixels.shape[1]), alt)

    @property
    def uri(self) -> str:
        """The picture as a `data:` address."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode("ascii")

    @property
    def pixelated(self) -> bool:
        """Whether the grid is so coarse that its sites should be seen."""
        return max(self.size) < PIXELATED_BELOW


@dataclass(frozen=True)
class Film:
    """The steps of a denoising walk, side by side in one picture, first step on the left."""

    sheet: Picture
    frames: int

    @classmethod
    def of(cls, frames: Sequence[Pixels], alt: str) -> Film:
        """The film of n arrays `(H, W, 3)`."""
        return cls(Picture.of(np.concatenate(list(frames), axis=1), alt), len(frames))

    @property
    def pixelated(self) -> bool:
        """Whether the grid of one frame is coarse."""
        return self.sheet.size[0] < PIXELATED_BELOW


@dataclass(frozen=True)
class StageShot:
    """What one stage did for one prompt: the low input as it saw it, its answer, and the walk between."""

    stage: str
    picture: Picture
    latency_s: float
    std: float | None = None
    saw: Picture | None = None
    film: Film | None = None


@dataclass(frozen=True)
class PromptRow:
    """One prompt and its passage through the cascade."""

    prompt: str
    seed: int
    sample_id: int
    shots: tuple[StageShot, ...]
    label: str = ""


@dataclass(frozen=True)
class StageCard:
    """One stage in the overview: role, grid, process, solver, steps, the level put on its input, time a picture."""

    name: str
    role: str
    grid: str
    process: str
    solver: str
    steps: int
    latency_s: float
    std: float | None = None
    says: str = ""


@dataclass(frozen=True)
class DemoPage:
    """All that the page shows. `facts` are name-value pairs for its foot; `report` is where the lens's report lies."""

    title: str
    lead: str
    stages: tuple[StageCard, ...]
    rows: tuple[PromptRow, ...]
    note: str
    command: str
    script: str
    facts: tuple[tuple[str, str], ...]
    report: str | None = None


def render(page: DemoPage) -> str:
    """The page as one self-contained HTML document."""
    loader = jinja2.PackageLoader("dynaxx.share", "templates")
    shelf = jinja2.Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    shelf.filters.update(duration=duration, level=level)
    return shelf.get_template("demo.html").render(page=page)


def duration(seconds: float) -> str:
    """Seconds for readers: `0.4 ms`, `38 ms`, `1.2 s`, `75 s`."""
    if seconds < 1:
        ms = 1000 * seconds
        return f"{ms:.0f} ms" if ms >= 9.5 else f"{ms:.1f} ms"
    return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"


def level(std: float) -> str:
    """A noise level for readers: three figures, no trailing zeros."""
    return f"{std:.3g}"
