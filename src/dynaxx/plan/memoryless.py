"""Lets foreign code that looks at values run on tensors that have none, beside those that keep theirs on the CPU."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

META = torch.device("meta")
ZERO = {"__bool__": False, "__float__": 0.0, "__int__": 0, "__index__": 0, "item": 0}
"""What a tensor without values says when it is asked for one."""
MOVES = ("to", "cpu", "cuda", "xpu")


@final
class Memoryless(TorchFunctionMode):
    """While it is entered, no tensor changes its device: timetables keep their values, signals have none.

    Operations on both have none. A value that is asked of a tensor without any is 0, so that checks of ranges pass.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call `func`, or answer in its place."""
        given, name = kwargs or {}, getattr(func, "__name__", "")
        if name in MOVES and isinstance(args[0], Tensor):
            return _stays(args, given)
        tensors = list(_tensors((*args, *given.values())))
        if not any(x.is_meta for x in tensors):
            return func(*args, **given)
        if name in ZERO:
            return ZERO[name]
        if name == "tolist":
            return torch.zeros(args[0].shape).tolist()
        if name == "cat" and len(args[0]) > 1 and all(x is args[0][0] for x in args[0]):
            first = args[0][0]  # one row for every sample: no number of a rehearsal but the batch's is so large
            return first.repeat(len(args[0]), *[1] * (first.ndim - 1))
        if not all(x.is_meta for x in tensors):
            args, given = _bare(args), {key: _bare(value) for key, value in given.items()}
        return func(*args, **given)


def _stays(args: Any, given: dict[str, Any]) -> Tensor:
    """`x.to(...)` without a device: what is left of it, a number format at most."""
    x, *rest = args
    words = [*rest, *given.values()]
    found = [word.dtype if isinstance(word, Tensor) else word for word in words]
    return next((x.type(word) for word in found if isinstance(word, torch.dtype)), x)


def _tensors(values: Any) -> Any:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _tensors(value)


def _bare(value: Any) -> Any:
    """The same without values."""
    if isinstance(value, Tensor):
        return value if value.is_meta else torch.empty_like(value, device=META)
    return type(value)(map(_bare, value)) if type(value) in (list, tuple) else value
