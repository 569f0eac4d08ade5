"""Opens the data that a recipe names, whatever its kind."""

from __future__ import annotations

from pathlib import Path

from dynaxx.data.bundled import Bundled
from dynaxx.data.emoji import Emoji
from dynaxx.data.fields import Fields
from dynaxx.data.folder import Folder
from dynaxx.data.resized import Resized
from dynaxx.data.sample import Dataset
from dynaxx.data.shapes import Shapes
from dynaxx.data.split import Part
from dynaxx.errors import DataError
from dynaxx.spec.data import BundledData, DataSpec, EmojiData, FieldsData, FolderData, ShapesData


def open_data(
    spec: DataSpec, *, size: tuple[int, ...] | None = None, root: Path | None = None, part: Part = "used"
) -> Dataset:
    """The samples that `spec` names, each at `size` where one is asked for, by the recipe's kernel.

    Relative paths start at `root`, the folder of the cascade file. `part`: the samples to train on (`used`), those the
    recipe keeps out of training (`withheld`), or `all`. DataError where nothing usable is found.
    """
    if isinstance(spec, FieldsData):
        return Fields(spec, _place(spec.path, root), size=size, part=part)
    if isinstance(spec, ShapesData):
        return Shapes(spec, size=size)
    if size is not None and len(size) != 2:
        raise DataError(
            "data",
            f"pictures ({spec.kind}) have two axes, but the stage's grid has {len(size)} ({'x'.join(map(str, size))}).",
            "Use `kind: fields` or `shapes`, or change the size.",
        )
    pictures = _pictures(spec, root, part)
    return pictures if size is None else Resized(pictures, size, spec.kernel)


def _pictures(spec: FolderData | BundledData | EmojiData, root: Path | None, part: Part) -> Dataset:
    if isinstance(spec, FolderData):
        return Folder(spec, _place(spec.path, root), part=part)
    return Emoji(spec, root, part=part) if isinstance(spec, EmojiData) else Bundled(spec.name)


def _place(path: str, root: Path | None) -> Path:
    """`~` is the home folder; a relative path starts at `root`."""
    return (root or Path()) / Path(path).expanduser()
