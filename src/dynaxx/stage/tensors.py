"""The tensors in what a network is given and answers with, each changed where it lies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor


def each(found: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """The same with every tensor changed, in tuples, lists, dictionaries and diffusers' outputs with names."""
    if isinstance(found, Tensor):
        return change(found)
    if isinstance(found, tuple | list):
        return type(found)([each(part, change) for part in found])
    return (
        type(found)(**{name: each(part, change) for name, part in found.items()}) if isinstance(found, dict) else found
    )


def tensors(found: Any) -> Iterator[Tensor]:
    """Every tensor, in the order in which they are given."""
    if isinstance(found, Tensor):
        yield found
    for part in found.values() if isinstance(found, dict) else found if isinstance(found, tuple | list) else ():
        yield from tensors(part)
