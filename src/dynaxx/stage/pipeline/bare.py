"""The networks of a pretrained pipeline on the meta device, from their configurations alone: shapes, and no memory."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dynaxx.errors import SpecError

TIME_IDS = {2816: 6, 2560: 5}
"""How many sizes and scores are told beside a pooled text of 1280, by the width of both (arXiv 2307.01952)."""
TOKENS = 77


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
    import diffusers

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
    import diffusers

    found: Any = getattr(diffusers, pipeline, None)
    said = None if found is None else inspect.signature(found.__call__).parameters.get(argument)
    return None if said is None or said.default is inspect.Parameter.empty else said.default


def evaluation(network: nn.Module, batch: int, size: tuple[int, ...]) -> Callable[[], Tensor]:
    """One evaluation of a denoising network on a grid of `size`, with all that its configuration asks for."""
    config: Any = network.config
    like = next(network.parameters())
    x = like.new_zeros(batch, config["in_channels"], *size)
    text = like.new_zeros(batch, TOKENS, _text_width(config))
    given: dict[str, Any] = {"encoder_hidden_states": text, "return_dict": False}
    if config.get("num_class_embeds") or config.get("class_embed_type") == "timestep":
        given["class_labels"] = torch.zeros(batch, dtype=torch.int64, device=like.device)
    if config.get("time_cond_proj_dim"):
        given["timestep_cond"] = like.new_zeros(batch, config["time_cond_proj_dim"])
    if config.get("addition_embed_type") == "text_time":
        width = config["projection_class_embeddings_input_dim"]
        count = TIME_IDS.get(width, 6)
        pooled = width - count * config["addition_time_embed_dim"]
        told = like.new_zeros(batch, count)
        given["added_cond_kwargs"] = {"text_embeds": like.new_zeros(batch, pooled), "time_ids": told}

    def run() -> Tensor:
        answer: Tensor = network(x, torch.zeros(batch, device=like.device), **given)[0]
        return answer

    return run


def _text_width(config: Any) -> int:
    return int(config.get("encoder_hid_dim") or config["cross_attention_dim"])
