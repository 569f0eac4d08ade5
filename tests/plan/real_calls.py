"""What tiny pipelines really take in a run: tensors held, FLOPs, memory given out, evaluations of their networks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from meter import allocated
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from dynaxx.engine.cascade import Cascade
from dynaxx.plan.growth import Scale, evaluate
from dynaxx.plan.tracker import Tracker
from dynaxx.spec.facts import NETWORKS
from dynaxx.stage.pipeline.wrapped import Wrapped
from dynaxx.stage.stage import Request

Call = Callable[[], Any]
Meter = Callable[[Wrapped, Request, Call], Any]
PROMPTS = ("a red apple", "a green pear")


def really(text: str, root: Path, meter: Meter, *, samples: int = 2, given: Mapping[str, Tensor] | None = None) -> Any:
    """What a meter says of every stage of a cascade in a run, by name."""
    file, seen, run = root / "real.yaml", dict[str, Any](), Wrapped.run
    file.write_text(text)

    def metered(self: Wrapped, request: Request) -> Tensor:
        answers: list[Tensor] = []
        seen[request.spec.name] = meter(self, request, lambda: answers.append(run(self, request)))
        return answers[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Wrapped, "run", metered)
        Cascade.from_pretrained(file).sample(PROMPTS[:samples], given=given or {})
    return seen


def live_bytes(stage: Wrapped, request: Request, call: Call) -> float:
    """The most that tensors hold at once, weights included."""
    return tracked_bytes(_modules(stage), request.grid.size, call)


def tracked_bytes(stay: Sequence[nn.Module], size: tuple[int, ...], call: Call) -> float:
    """The most that tensors hold at once, with the weights of what stays."""
    tracker = Tracker(Scale(len(size), 1, fixed=size))
    for x in (x for part in stay for x in (*part.parameters(), *part.buffers())):
        tracker.hold(x)
    with torch.no_grad(), tracker:
        call()
    return max(evaluate(height, (1.0,)) for height in (*tracker.heights.tensors, tracker.held()))


def flops(stage: Wrapped, request: Request, call: Call) -> int:
    """Those of torch's own counter, which does not know the CPU's fused attention."""
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


def given_out(stage: Wrapped, request: Request, call: Call) -> int:
    """The most that the allocator gives out at once; weights lie in their files."""
    weights = sum(x.numel() * x.itemsize for part in _modules(stage) for x in part.parameters())
    return weights + allocated(call)


def passes(stage: Wrapped, request: Request, call: Call) -> Counter[int]:
    """Evaluations of the networks by copies of the batch."""
    found: Counter[int] = Counter()
    with _listening(stage, lambda rows: found.update([rows // len(request.draws.ids)])):
        call()
    return found


@contextmanager
def _listening(stage: Wrapped, heard: Callable[[int], None]) -> Iterator[None]:
    """Listen to what the networks themselves are given, inside of all that may spare them an evaluation."""
    networks = [part for name in NETWORKS if (part := getattr(stage.pipe, name, None)) is not None]

    def hearing(forward: Any) -> Any:
        def heard_too(*args: Any, **named: Any) -> Any:
            heard(next(x for x in (*args, *named.values()) if isinstance(x, Tensor)).shape[0])
            return forward(*args, **named)

        return heard_too

    for network in networks:
        network.forward = hearing(network.forward)
    try:
        yield
    finally:
        for network in networks:
            vars(network).pop("forward", None)


def _modules(stage: Wrapped) -> list[nn.Module]:
    return [part for part in stage.pipe.components.values() if isinstance(part, nn.Module)]
