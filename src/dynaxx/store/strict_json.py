"""JSON as the standard has it: numbers that it has no word for are null."""

from __future__ import annotations

import json
import math
from typing import Any


def strict_json(data: Any, *, indent: int | None = None) -> str:
    """Plain data as JSON text; NaN and infinities, which JSON cannot say, become null (RFC 8259, section 6)."""
    return json.dumps(_sayable(data), indent=indent, ensure_ascii=False, allow_nan=False)


def _sayable(data: Any) -> Any:
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, dict):
        return {key: _sayable(value) for key, value in data.items()}
    return [_sayable(value) for value in data] if isinstance(data, (list, tuple)) else data
