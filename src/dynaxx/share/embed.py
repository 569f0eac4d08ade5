"""Pictures inside a page: as they are where they are small, lighter where they are not."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import final

from PIL import Image

from dynaxx.share.page import PIXELATED_BELOW

LIGHT_BYTES = 24_000
"""PNG files up to this size are taken as they are, to the bit."""
LARGEST_SIDE, QUALITY = 384, 85


@final
@dataclass(frozen=True)
class Embedded:
    """A picture as a `data:` address, with the (height, width) of the signal it shows."""

    uri: str
    size: tuple[int, int]

    @property
    def pixelated(self) -> bool:
        """Whether the grid is so coarse that its sites should be seen."""
        return max(self.size) < PIXELATED_BELOW


def embed(png: bytes) -> Embedded:
    """The picture of a PNG file; one that is heavy becomes a JPEG of at most 384 pixels a side."""
    with Image.open(io.BytesIO(png)) as image:
        size = (image.height, image.width)
        if len(png) <= LIGHT_BYTES:
            return Embedded(_uri("image/png", png), size)
        smaller = image.convert("RGB")
    smaller.thumbnail((LARGEST_SIDE, LARGEST_SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    smaller.save(buffer, format="JPEG", quality=QUALITY, optimize=True)
    return Embedded(_uri("image/jpeg", buffer.getvalue()), size)


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64," + base64.b64encode(data).decode("ascii")
