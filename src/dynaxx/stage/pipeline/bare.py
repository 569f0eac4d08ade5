"""The networks of a pretrained pipeline on the meta device, from their configurations alone: shapes, and no memory."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dynaxx.errors import SpecError

TIME_IDS = {2816: 6, 2560: 5}
"""How many sizes and scores are told beside a pooled text of 1280, by the width of both (arXiv 2307.01952)."""
TOKENS = 77


def bare_network(config: Mapping[str, Any], place: str) -> nn.Module:
    """The network that a configuration describes, on the meta device.

    Raises:
        SpecError: if diffusers does not know its class, or refuses the configuration.
    """
    import diffusers

    name = str(config.get("_class_name", ""))
    found = getattr(diffusers, name, None)
    if not inspect.isclass(found) or not issubclass(found, nn.Module):
        raise SpecError(place, f"diffusers has no network {name!r}.", "Name its class as `_class_name`.")
    takes = inspect.signature(found.__init__).parameters
    given = {key: value for key, value in config.items() if key in takes}
    try:
        with torch.device("meta"):
            return found(**given).eval()
    except (TypeError, ValueError, KeyError, NotImplementedError, RuntimeError) as error:
        raise SpecError(
            place, f"{name} refuses it: {str(error).splitlines()[0]}.", "Mend the configuration."
        ) from error


def evaluation(network: nn.Module, batch: int, size: tuple[int, ...]) -> Callable[[], Tensor]:
    """One evaluation of a denoising network on a grid of `size`, with all that its configuration asks for."""
    config: Any = network.config
    like = next(network.parameters())
    x = like.new_zeros(batch, config["in_channels"], *size)
    text = like.new_zeros(batch, TOKENS, _text_width(config))
    given: dict[str, Any] = {"encoder_hidden_states": text, "return_dict": False}
    if config.get("num_class_embeds") or config.get("class_embed_type") == "timestep":
        given["class_labels"] = torch.zeros(batch, dtype=torch.int64, device="meta")
    if config.get("addition_embed_type") == "text_time":
        width = config["projection_class_embeddings_input_dim"]
        count = TIME_IDS.get(width, 6)
        pooled = width - count * config["addition_time_embed_dim"]
        told = like.new_zeros(batch, count)
        given["added_cond_kwargs"] = {"text_embeds": like.new_zeros(batch, pooled), "time_ids": told}

    def run() -> Tensor:
        answer: Tensor = network(x, torch.zeros(batch, device="meta"), **given)[0]
        return answer

    return run


def _text_width(config: Any) -> int:
    return int(config.get("encoder_hid_dim") or config["cross_attention_dim"])
