"""Where the signals of a cascade come from: the recipe that is part of what a stage was trained on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from dynaxx.spec.base import Count, Share, Sizes, Spec
from dynaxx.spec.edge import DEFAULT_KERNEL, Kernel

COLOUR_PATTERN = r"^#[0-9a-fA-F]{6}$"


class FolderData(Spec):
    """A folder of pictures with `metadata.jsonl`, `metadata.csv` or `.txt` captions beside them."""

    kind: Literal["folder"] = "folder"
    path: str
    on_bad: Literal["skip", "refuse"] = "skip"
    background: Annotated[str, Field(pattern=COLOUR_PATTERN)] = "#ffffff"
    kernel: Kernel = DEFAULT_KERNEL
    withheld: Share = 0.0


class BundledData(Spec):
    """The pictures that travel with the package."""

    kind: Literal["bundled"] = "bundled"
    name: Literal["emoji"] = "emoji"
    kernel: Kernel = DEFAULT_KERNEL


class EmojiData(Spec):
    """Emoji drawn from a colour-emoji font, with their names as captions; `flags` of regions among them or not."""

    kind: Literal["emoji"] = "emoji"
    font: str | None = None
    size: Count = 64
    flags: bool = True
    kernel: Kernel = DEFAULT_KERNEL
    withheld: Share = 0.0


class ShapesData(Spec):
    """Textured shapes with exact captions, drawn at any resolution."""

    kind: Literal["shapes"] = "shapes"
    count: Count = 1000
    size: Sizes = (64, 64)
    seed: int = 0


class FieldsData(Spec):
    """Arrays in `.npy` or `.npz` files: scientific fields, sound, anything already numeric.

    `range` is mapped to [-1, 1]; by default the data's own. `axes`: how many of an array's last axes are its grid, one
    before them being channels; by default as many as the stage's grid has.
    """

    kind: Literal["fields"] = "fields"
    path: str
    range: tuple[float, float] | None = None
    axes: Annotated[int, Field(ge=1, le=3)] | None = None
    on_bad: Literal["skip", "refuse"] = "skip"
    kernel: Kernel = DEFAULT_KERNEL
    withheld: Share = 0.0

    @field_validator("range")
    @classmethod
    def _ordered(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value and value[0] >= value[1]:
            raise ValueError(f"range [{value[0]:g}, {value[1]:g}] is empty. Give [low, high], low first.")
        return value


DataSpec = Annotated[FolderData | BundledData | EmojiData | ShapesData | FieldsData, Field(discriminator="kind")]
