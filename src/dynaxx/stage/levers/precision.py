"""A network in half precision, while the pipeline around it goes on in the precision it had.

Its weights are converted, as `torch_dtype` would have them; parts that its class keeps in float32 stay. What it is
given is converted on the way in and its answer on the way out, so that noise, guidance and the scheduler's state are
those of before. Timesteps, sizes and coordinates are given as they are: 999 is 1000 in bfloat16.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dynaxx.stage.levers.lever import Answering, Undo, around, as_held
from dynaxx.stage.tensors import each, tensors

SIGNALS = ("sample", "hidden_states", "hidden_states_image", "_embeds", "timestep_cond", "pooled_projections")
"""What the names of arguments end with that are signals or encodings, not numbers whose digits count."""


def half(dtype: torch.dtype) -> Callable[[nn.Module], Undo]:
    """What has a network work in `dtype`, and look to a pipeline as if it did not."""

    def pull(network: nn.Module) -> Undo:
        said, kind, weights = _said(network), type(network), as_held(network)
        for place in _converted(network):
            place.data = place.data.to(dtype)
        _look(network, said)
        calls = around(network, lambda answering: _converting(answering, dtype))

        def undo() -> None:
            calls()
            network.__class__ = kind
            weights()

        return undo

    return pull


def is_full(network: nn.Module) -> bool:
    """Whether a network is in float32: one that its file holds in half precision stays as it is."""
    return _said(network) == torch.float32


def _said(network: nn.Module) -> torch.dtype:
    found = getattr(network, "dtype", None) or next(network.parameters()).dtype
    assert isinstance(found, torch.dtype)
    return found


def _converted(network: nn.Module) -> list[Tensor]:
    """The weights, but for those that the network's class keeps in float32; buffers that are no weights stay."""
    kept = set(getattr(network, "_keep_in_fp32_modules", None) or ())
    saved = network.state_dict(keep_vars=True)
    return [x for name, x in saved.items() if x.is_floating_point() and not kept & set(name.split("."))]


def _look(network: nn.Module, dtype: torch.dtype) -> None:
    """Have a network say another number format than it works in: pipelines draw noise, and keep states, in that one."""
    kind = type(network)
    network.__class__ = type(
        kind.__name__, (kind,), {"dtype": property(lambda _: dtype), "__module__": kind.__module__}
    )


def _converting(answering: Answering, dtype: torch.dtype) -> Answering:
    def convert(x: Tensor) -> Tensor:
        return x.to(dtype) if x.is_floating_point() else x

    def answer(*args: Any, **named: Any) -> Any:
        given = next(x.dtype for x in tensors([args, named]))
        signal = (convert(args[0]), *args[1:]) if args else ()
        found = answering(*signal, **_signals(named, convert))
        return each(found, lambda x: x.to(given) if x.is_floating_point() else x)

    return answer


def _signals(named: Mapping[str, Any], convert: Callable[[Tensor], Tensor]) -> dict[str, Any]:
    """The arguments with every signal among them converted, one floor below too: `added_cond_kwargs` holds some."""
    return {
        name: each(value, convert)
        if name.endswith(SIGNALS)
        else _signals(value, convert)
        if isinstance(value, dict)
        else value
        for name, value in named.items()
    }
