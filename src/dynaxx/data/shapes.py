"""Textured shapes with exact captions, the same scene at any resolution: test data that needs no file.

Images show one shape; videos (three axes) the same shape moving; sound (one axis) is a sum of tones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor

from dynaxx.data.outlines import OUTLINES, TEXTURES
from dynaxx.data.report import DataReport
from dynaxx.data.sample import Sample
from dynaxx.signal.random import Draws
from dynaxx.spec.data import ShapesData

COLOURS = {
    "red": (0.86, 0.16, 0.16), "orange": (0.96, 0.55, 0.10), "yellow": (0.98, 0.86, 0.22), "green": (0.20, 0.62, 0.26),
    "blue": (0.16, 0.36, 0.82), "purple": (0.52, 0.24, 0.66), "pink": (0.96, 0.58, 0.72), "white": (0.97, 0.97, 0.97),
    "black": (0.08, 0.08, 0.08),
}  # fmt: skip
SIZES = {"small": 0.34, "medium": 0.48, "large": 0.68}
MOVES = {"left": (-1.0, 0.0), "right": (1.0, 0.0), "up": (0.0, -1.0), "down": (0.0, 1.0)}
NOTES = {"low": 2, "middle": 5, "high": 11}
SUPERSAMPLING = 4
REACH = 0.3


@final
@dataclass(frozen=True)
class Scene:
    """What is drawn, in words, and where: `at` in units of half the shorter side."""

    outline: str
    texture: str
    size: str
    colour: str
    ground: str
    move: str
    at: tuple[float, float]

    @property
    def caption(self) -> str:
        """Every word is true of the picture."""
        texture = "" if self.texture == "plain" else f"{self.texture} "
        return f"a {self.size} {self.colour} {texture}{self.outline} on {self.ground}"


@final
class Shapes:
    """Sample i is drawn from (seed, i) alone: the scene is the same at every size, and label = its outline."""

    def __init__(self, spec: ShapesData, *, size: tuple[int, ...] | None = None) -> None:
        self._spec, self._size = spec, size or spec.size
        self.classes = tuple(OUTLINES) if len(self._size) > 1 else tuple(NOTES)
        self.report = DataReport(spec.count)

    def __len__(self) -> int:
        return self._spec.count

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(index)
        if len(self._size) == 1:
            note, phase = self._note(index)
            return Sample(tone(note, phase, self._size[0]), _heard(note), tuple(NOTES).index(note), f"{index:08d}")
        scene = self.scene(index)
        x = still(scene, self._size) if len(self._size) == 2 else moving(scene, self._size)
        return Sample(x, self._caption(scene), self.classes.index(scene.outline), f"{index:08d}")

    @property
    def captions(self) -> tuple[str, ...]:
        """Every caption, in order, without drawing."""
        if len(self._size) == 1:
            return tuple(_heard(self._note(index)[0]) for index in range(len(self)))
        return tuple(self._caption(self.scene(index)) for index in range(len(self)))

    def scene(self, index: int) -> Scene:
        """What sample `index` shows."""
        u = Draws(self._spec.seed, "/shapes", (index,)).uniform("scene", (8,))[0].tolist()
        colour = _choose(tuple(COLOURS), u[3])
        ground = _choose(tuple(name for name in COLOURS if name != colour), u[4])
        at = (REACH * (2 * u[6] - 1), REACH * (2 * u[7] - 1))
        return Scene(
            _choose(tuple(OUTLINES), u[0]),
            _choose(tuple(TEXTURES), u[1]),
            _choose(tuple(SIZES), u[2]),
            colour,
            ground,
            _choose(tuple(MOVES), u[5]),
            at,
        )

    def _caption(self, scene: Scene) -> str:
        return scene.caption if len(self._size) == 2 else f"{scene.caption} moving {scene.move}"

    def _note(self, index: int) -> tuple[str, float]:
        u = Draws(self._spec.seed, "/shapes", (index,)).uniform("note", (2,))[0].tolist()
        return _choose(tuple(NOTES), u[0]), u[1]


def still(scene: Scene, size: tuple[int, ...]) -> Tensor:
    """`(3, h, w)` in [-1, 1]: the mean over 4x4 points per site, an area-sampled scene."""
    n = [edge * SUPERSAMPLING for edge in size]
    y, x = (_points(edge, min(n)) for edge in n)
    radius = SIZES[scene.size]
    px, py = (x[None, :] - scene.at[0]) / radius, (y[:, None] - scene.at[1]) / radius
    inside = OUTLINES[scene.outline](px, py) <= 0
    dark = TEXTURES[scene.texture](px, py) > 0
    colour, ground = (torch.tensor(COLOURS[name])[:, None, None] for name in (scene.colour, scene.ground))
    shade = torch.where(torch.as_tensor(sum(COLOURS[scene.colour]) < 1.0), 0.5 + 0.5 * colour, 0.55 * colour)
    picture = torch.where(inside, torch.where(dark, shade, colour), ground)
    return torch.nn.functional.avg_pool2d(picture, SUPERSAMPLING) * 2 - 1


def moving(scene: Scene, size: tuple[int, ...]) -> Tensor:
    """`(3, t, h, w)` in [-1, 1]: the shape passes its place in the middle of the film, at an even pace."""
    dx, dy = MOVES[scene.move]
    frames = []
    for step in _points(size[0], size[0]).tolist():
        at = (scene.at[0] + REACH * step * dx, scene.at[1] + REACH * step * dy)
        frames.append(still(replace(scene, at=at), size[1:]))
    return torch.stack(frames, dim=1)


def tone(note: str, phase: float, size: int) -> Tensor:
    """`(1, size)`: 0.6 sin(2 pi (k u + phase)) + 0.3 sin(2 pi (2 k u + phase)), k periods, u in [0, 1]."""
    u = (torch.arange(size, dtype=torch.float64) + 0.5) / size
    turns = [NOTES[note] * octave * u + phase for octave in (1, 2)]
    wave = 0.6 * (math.tau * turns[0]).sin() + 0.3 * (math.tau * turns[1]).sin()
    return wave.float()[None]


def _heard(note: str) -> str:
    return f"a {note} tone"


def _points(count: int, shorter: int) -> Tensor:
    """Middles of `count` sites about 0, where `shorter` sites reach from -1 to 1."""
    return (torch.arange(count) + 0.5 - count / 2) * (2 / shorter)


def _choose(names: tuple[str, ...], u: float) -> str:
    return names[int(u * len(names))]
