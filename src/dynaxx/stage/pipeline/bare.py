"""The networks of a pretrained pipeline on the meta device, from their configurations alone: shapes, and no memory."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from dynaxx.errors import SpecError
from dynaxx.stage.pipeline.calm import calm_diffusers


def bare_network(config: Mapping[str, Any], place: str, library: str = "diffusers") -> nn.Module:
    """The network that a configuration describes, on the meta device; `library` may be a pipeline's own place.

    Raises:
        SpecError: if diffusers does not know its class, or refuses the configuration.
    """
    name = str(config.get("_class_name", ""))
    found = known(name, library)
    if not _is_network(found):
        raise SpecError(place, f"diffusers has no network {name!r}.", "Name its class as `_class_name`.")
    assert found is not None
    takes = inspect.signature(found.__init__).parameters
    given = {key: value for key, value in config.items() if key in takes}
    try:
        with torch.device("meta"):
            return found(**given).eval()
    except (TypeError, ValueError, KeyError, NotImplementedError, RuntimeError) as error:
        raise SpecError(
            place, f"{name} refuses it: {str(error).splitlines()[0]}.", "Mend the configuration."
        ) from error


def bare_part(kind: Sequence[str], config: Mapping[str, Any], place: str) -> nn.Module | None:
    """A part of a pipeline, by its library and class, on the meta device; None for parts without weights.

    Raises:
        SpecError: if its class is not known, or refuses the configuration.
    """
    library, name = kind
    if library != "transformers":
        return (
            bare_network({**config, "_class_name": name}, place, library) if _is_network(known(name, library)) else None
        )
    import transformers

    found: Any = getattr(transformers, name, None)
    if not _is_network(found):
        return None
    try:
        with torch.device("meta"):
            made: nn.Module = found(found.config_class.from_dict(dict(config))).eval()
            return made
    except (TypeError, ValueError, KeyError, AttributeError, RuntimeError) as error:
        problem = f"{name} refuses it: {str(error).splitlines()[0]}."
        raise SpecError(place, problem, "Mend the configuration.") from error


def known(name: str, library: str = "diffusers") -> Any:
    """A class of diffusers, or of one kind of its pipelines, as their indices name it; None where there is none."""
    diffusers = calm_diffusers()
    return getattr(diffusers, name, None) or getattr(getattr(diffusers.pipelines, library, None), name, None)


def in_format(part: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A part in a number format, but for what stays in float32 by its class: in half precision, or in float16 alone."""
    nn.Module.to(part, dtype)
    strict = type(part).__module__.startswith("diffusers.") or dtype == torch.float16
    kept = set(getattr(part, "_keep_in_fp32_modules", None) or ()) if strict else set()
    for name, p in part.named_parameters():
        if kept & set(name.split(".")):
            p.data = p.data.float()
    return part


def _is_network(found: Any) -> bool:
    return inspect.isclass(found) and issubclass(found, nn.Module)


def call_default(pipeline: str, argument: str) -> Any:
    """What a pipeline's call takes where an argument is left out; None where it has none of that name."""
    found: Any = getattr(calm_diffusers(), pipeline, None)
    said = None if found is None else inspect.signature(found.__call__).parameters.get(argument)
    return None if said is None or said.default is inspect.Parameter.empty else said.default
