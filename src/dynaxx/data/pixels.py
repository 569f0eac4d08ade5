"""An opened picture of any mode as RGB numbers in [0, 1]: nothing is clipped that should be scaled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dynaxx.errors import DataError

SIXTEEN_BIT = 65535.0


def rgb(image: Image.Image, *, background: str, where: str) -> NDArray[np.float32]:
    """`(H, W, 3)` float32 in [0, 1]; transparency lies on `background`; DataError where numbers have no known range."""
    if image.mode.startswith("I"):
        return _grey(np.asarray(image).astype(np.float32), SIXTEEN_BIT, where)
    if image.mode == "F":
        return _grey(np.asarray(image), 1.0, where)
    if image.mode == "LAB":
        raise DataError(where, "is in Lab colours.", "Convert it to RGB.")
    if image.has_transparency_data:
        flat = Image.new("RGBA", image.size, background)
        flat.alpha_composite(image.convert("RGBA"))
        image = flat
    return np.asarray(image.convert("RGB"), dtype=np.float32) / np.float32(255)


def _grey(values: NDArray[np.float32], top: float, where: str) -> NDArray[np.float32]:
    """One channel in [0, top], three times over."""
    if not np.isfinite(values).all():
        raise DataError(where, "holds NaN or infinite values.", "Replace them, or leave the file out.")
    if values.min() < 0 or values.max() > top:
        raise DataError(
            where,
            f"holds numbers from {values.min():g} to {values.max():g}, not from 0 to {top:g}.",
            "Save it as an 8- or 16-bit picture, or as .npy for `kind: fields`.",
        )
    return np.repeat(values[..., None] / np.float32(top), 3, axis=2)
