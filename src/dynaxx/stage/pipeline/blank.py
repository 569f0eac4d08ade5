"""A pretrained pipeline opened from its configuration files alone, and a prompt without values for it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dynaxx.spec.facts import Facts
from dynaxx.spec.families import Family
from dynaxx.spec.stage import PipelineStage
from dynaxx.stage.pipeline.bare import call_default
from dynaxx.stage.pipeline.evaluation import TOKENS
from dynaxx.stage.pipeline.held import EXPERTS
from dynaxx.stage.pipeline.open import dtype_of, open_pipeline
from dynaxx.stage.pipeline.text import TEXT_PARTS, Rows, prompt_arguments
from dynaxx.stage.pipeline.wrapped import Wrapped

TEXT_WIDTH = ("caption_channels", "text_dim", "encoder_hid_dim", "cross_attention_dim")
"""What networks call the width of the text that they are given; the first that one states."""
LEVEL_WIDTH = 128
"""Numbers that tell the latent upscaler a level, beside a pooled text."""


def blank_stage(
    spec: PipelineStage, root: Path | None, facts: Facts, parts: Mapping[str, nn.Module], *, hands: bool
) -> Wrapped:
    """A stage whose pipeline holds `parts` and schedulers, and nothing else; prompts are encoded already.

    Pipelines of no known family encode by themselves: theirs keep encoders and tokenizers, as in a run.

    Raises:
        RunError: if the pipeline cannot be opened without more.
    """
    stage = Wrapped(spec.model_copy(update={"adapters": [], "cache": None}), root=root, hands=hands)
    spared = {name for name, spares in zip(EXPERTS, stage.held.spares(), strict=True) if spares}
    encodes = facts.family is None
    have: dict[str, nn.Module | None] = {}
    for name, kind in facts.index.items():
        ours = isinstance(kind, list) and "scheduler" not in name and not (encodes and name.startswith("tokenizer"))
        left_out = name in spared or (name.startswith(TEXT_PARTS) and not encodes)
        have |= {name: None if left_out else parts.get(name)} if ours else {}
    with quiet():
        stage.held.pipe = open_pipeline(stage.spec, root, have=have)
    _answer_at_once(stage.held.pipe)
    if facts.family is not None and facts.family.embeds:
        stage.held.texts.keep(stage.held.key, [""], _prompt(stage.held.pipe, facts.family, facts, stage.spec))
    return stage


@contextmanager
def quiet() -> Iterator[None]:
    """Without diffusers' bars and warnings: nothing is loaded, and nothing drawn."""
    from diffusers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _answer_at_once(pipe: Any) -> None:
    """Have what was decoded brought into [0, 1] for the whole batch, where diffusers goes from sample to sample."""

    def images(x: Tensor, output_type: str = "pt", do_denormalize: object = None) -> Tensor:
        return (x * 0.5 + 0.5).clamp(0, 1)

    def videos(x: Tensor, output_type: str = "pt") -> Tensor:
        return images(x.transpose(1, 2))

    for processor, name, stand_in in (
        ("image_processor", "postprocess", images),
        ("video_processor", "postprocess_video", videos),
    ):
        if (found := getattr(pipe, processor, None)) is not None:
            setattr(found, name, stand_in)


def _prompt(pipe: Any, family: Family, facts: Facts, spec: PipelineStage) -> Rows:
    """What one prompt is encoded as, by the arguments that take it; nothing for a negative one without guidance."""
    said: Any = spec.call.get("max_sequence_length")
    length = int(said or call_default(facts.pipeline, "max_sequence_length") or TOKENS)
    guided = prompt_arguments(pipe, spec.call)["do_classifier_free_guidance"]
    width = int(facts.of_network(*TEXT_WIDTH))

    def row(name: str) -> Tensor | None:
        if name.startswith("negative") and not guided:
            return None
        if "mask" in name:
            return torch.ones(1, length, dtype=torch.bool, device="meta")
        size = (_pooled_width(facts),) if "pooled" in name else (length, width)
        return torch.zeros(1, *size, dtype=dtype_of(spec), device="meta")

    return tuple(map(row, family.embeds))


def _pooled_width(facts: Facts) -> int:
    """Of a pooled text, as the network is told it beside sizes and scores, or beside a level."""
    both = facts.of_network("projection_class_embeddings_input_dim")
    if both is None:
        return int(facts.of_network("time_cond_proj_dim")) - LEVEL_WIDTH
    count = 5 if facts.index.get("requires_aesthetics_score") else 6
    return int(both) - count * int(facts.of_network("addition_time_embed_dim"))
