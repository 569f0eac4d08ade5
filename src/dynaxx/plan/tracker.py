"""Follows a rehearsal: every piece of memory from when it is made to when it is dropped, every operation's cost."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, final

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from dynaxx.plan.growth import Powers, Scale, Terms, added, as_terms
from dynaxx.plan.heights import Heights
from dynaxx.plan.layouts import laid_out
from dynaxx.plan.ops import Shape, cost, is_view
from dynaxx.plan.scores import Scores, scores_of
from dynaxx.plan.workspace import Moments, moments

OpKey = tuple[str, Shape, Terms, Terms]
"""Class, shape, FLOPs and bytes of an operation."""


@final
class Tracker(TorchDispatchMode):
    """While it is entered, `heights` collects every local peak of the memory held, `ops` every operation.

    Storages are known by weak references, so that one counts from its making to the moment nothing needs it.
    """

    def __init__(self, scale: Scale) -> None:
        super().__init__()
        self.scale, self.ops, self.heights = scale, Counter[OpKey](), Heights()
        self.parts: list[Counter[OpKey]] = []
        self._held: dict[Powers, int] = {}
        self._known: weakref.WeakKeyDictionary[Any, None] = weakref.WeakKeyDictionary()
        self._rising = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Carry the operation out, and note what it made and what it cost."""
        out = laid_out(func, args, func(*args, **(kwargs or {})))
        if is_view(func):
            return out
        made = list(_tensors(out))
        self._work(moments(func, args, out), scores_of(func, args, self.scale))
        for x in made:
            self.hold(x)
        kind, shape, flops = cost(func, args, out)
        moved = added(*(self.scale.terms(x.numel() * x.itemsize) for x in (*_tensors(args), *made)))
        self.ops[kind, shape, self.scale.terms(flops), moved] += 1
        return out

    def hold(self, x: Tensor) -> None:
        """Count the memory behind a tensor, once, for as long as it lives."""
        storage = x.untyped_storage()
        if storage in self._known:
            return
        self._known[storage] = None
        terms = self.scale.terms(storage.nbytes())
        self._change(terms, 1)
        self._rising = True
        weakref.finalize(storage, self._drop, terms)

    def moved(self, sizes: Sequence[int], sign: int) -> None:
        """Count memory of so many bytes that comes (1) or goes (-1) without an operation, such as streamed weights."""
        terms = added(*(self.scale.terms(n) for n in sizes))
        if sign < 0:
            self._drop(terms)
            return
        self._change(terms, 1)
        self._rising = True

    def mark(self) -> None:
        """End a part: the operations since the last mark are kept apart."""
        self.parts.append(self.ops)
        self.ops = Counter()

    def held(self) -> Terms:
        """What is held now."""
        return as_terms(self._held)

    def _work(self, found: Moments, scores: Scores | None) -> None:
        for moment in found:
            self.heights.at_work.add((added(self.held(), *(self.scale.terms(n) for n in moment)), scores))

    def _drop(self, terms: Terms) -> None:
        if self._rising:
            self.heights.tensors.add(self.held())
            self._rising = False
        self._change(terms, -1)

    def _change(self, terms: Terms, sign: int) -> None:
        for powers, c in terms:
            self._held[powers] = self._held.get(powers, 0) + sign * c


def _tensors(values: Any) -> Iterable[Tensor]:
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, (list, tuple)):
        for value in values:
            yield from _tensors(value)
