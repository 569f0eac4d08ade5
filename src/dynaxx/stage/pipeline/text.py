"""Prompts encoded by a pipeline's own encoders: once for all stages that share them, and the encoders dropped after."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor

from dynaxx.signal.device_memory import has_own_memory
from dynaxx.spec.families import Family
from dynaxx.spec.stage import PipelineStage
from dynaxx.stage.memory import ran_out
from dynaxx.stage.streaming import stop_streaming, stream_layers

TEXT_PARTS = ("tokenizer", "text_encoder")
"""What the names of the parts begin with that turn a prompt into numbers."""
AT_ONCE = 16
"""Prompts that pass an encoder together."""
SAMPLED = 4096
"""Bytes of each tensor that tell one set of weights from another."""
Rows = tuple[Tensor | None, ...]


@final
class Texts:
    """Encoded prompts, shared by the stages of a cascade: by who encodes them, and by prompt."""

    def __init__(self) -> None:
        self._held: dict[str, dict[str, Rows]] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> Texts:
        """Replicas of a stage read what was encoded once."""
        return self

    def missing(self, key: str, texts: Sequence[str]) -> list[str]:
        """Which of the prompts nobody with this key has encoded yet."""
        return [text for text in dict.fromkeys(texts) if text not in self._held.get(key, {})]

    def keep(self, key: str, texts: Sequence[str], encoded: Rows) -> None:
        """Remember what distinct prompts were encoded as, a row for each."""
        held = self._held.setdefault(key, {})
        for row, text in enumerate(texts):
            held[text] = tuple(None if part is None else part[row : row + 1].clone() for part in encoded)

    def rows(self, key: str, texts: Sequence[str]) -> Rows:
        """The encoded prompts of a batch, a row per sample."""
        found = [self._held[key][text] for text in texts]
        return tuple(None if parts[0] is None else torch.cat(parts) for parts in zip(*found, strict=True))

    def forget(self, texts: Sequence[str]) -> None:
        """Drop what is not among the prompts of this run."""
        wanted = set(texts)
        for key, held in self._held.items():
            self._held[key] = {text: rows for text, rows in held.items() if text in wanted}


def encoder_names(pipe: Any) -> list[str]:
    """The text encoders that a pipeline was opened with."""
    return [name for name, part in pipe.components.items() if name.startswith("text_encoder") and part is not None]


@torch.no_grad()
def encode_prompts(
    pipe: Any, family: Family, call: Mapping[str, Any], texts: Sequence[str], device: torch.device
) -> Rows:
    """What a pipeline makes of distinct prompts, with those of its call's arguments that concern them.

    Encoders for which a device has no room come to it layer by layer.
    """
    encoders = [getattr(pipe, name) for name in encoder_names(pipe)]
    try:
        for encoder in encoders:
            encoder.to(device)
        return _all_encoded(pipe, family, call, texts, device)
    except (RuntimeError, MemoryError) as error:
        if not ran_out(error) or not has_own_memory(device):
            raise
    return _layer_by_layer(encoders, device, lambda: _all_encoded(pipe, family, call, texts, device))


def _layer_by_layer(encoders: Sequence[Any], device: torch.device, encode: Callable[[], Rows]) -> Rows:
    for encoder in encoders:
        encoder.to("cpu")
        stream_layers(encoder, device)
    try:
        return encode()
    finally:
        for encoder in encoders:
            stop_streaming(encoder)


def _all_encoded(
    pipe: Any, family: Family, call: Mapping[str, Any], texts: Sequence[str], device: torch.device
) -> Rows:
    parts = [_encoded(pipe, family, call, texts[i : i + AT_ONCE], device) for i in range(0, len(texts), AT_ONCE)]
    return tuple(None if column[0] is None else torch.cat(column) for column in zip(*parts, strict=True))


def _encoded(pipe: Any, family: Family, call: Mapping[str, Any], texts: Sequence[str], device: torch.device) -> Rows:
    muted = family.mutes and call.get("guidance_scale") == 0
    prompts = ["" if muted else text for text in texts]
    given = prompt_arguments(pipe, call)
    given |= {
        key: [value] * len(texts) for key, value in given.items() if key.startswith(("negative_prompt", "prompt_"))
    }
    per_prompt = next(key for key in _parameters(pipe.encode_prompt) if key.startswith("num_")) if _counts(pipe) else ""
    given |= {per_prompt: 1} if per_prompt else {}
    return tuple(pipe.encode_prompt(prompt=prompts, device=device, **given))


def prompt_arguments(pipe: Any, call: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a pipeline's (or its class's) `encode_prompt` that a call settles, said in it or by default."""
    takes, called = _parameters(pipe.encode_prompt), _parameters(pipe.__call__)
    guidance = call.get("guidance_scale", called["guidance_scale"].default)
    found = {"do_classifier_free_guidance": bool(guidance is not None and guidance > 1)}
    for key in takes:
        if key in called and key not in ("self", "prompt", "device") and not key.endswith(("_embeds", "_mask")):
            value = call.get(key, called[key].default)
            found |= {key: value} if value is not None and not key.startswith("num_") else {}
    return found


def encoder_key(family: Family, pipeline: Any, folder: Path, spec: PipelineStage) -> str:
    """Who encodes, and how: equal where two stages (classes of pipelines) would make the same of a prompt.

    Weights are compared by the names, shapes and a few bytes of each of their tensors, since encoders that are
    shared lie in a folder for each pipeline.
    """
    known = hashlib.blake2b(digest_size=16)
    for part in sorted(folder.glob("t*")):
        if part.is_dir() and part.name.startswith(TEXT_PARTS):
            for file in sorted(file for file in part.rglob("*") if file.is_file()):
                known.update(f"{part.name}/{file.relative_to(part)}".encode())
                known.update(_sampled(file) if file.suffix == ".safetensors" else file.read_bytes())
    asked = prompt_arguments(pipeline, spec.call)
    adapters = [adapter.model_dump() for adapter in spec.adapters]
    said = json.dumps([family.text, family.embeds, asked, adapters, spec.dtype, spec.variant], sort_keys=True)
    return f"{known.hexdigest()} {said}"


def _sampled(file: Path) -> bytes:
    """The header of a safetensors file and the first bytes of every tensor."""
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        header = opened.read(length)
        offsets = [entry["data_offsets"][0] for entry in json.loads(header).values() if "data_offsets" in entry]
        parts = []
        for offset in sorted(offsets):
            opened.seek(8 + length + offset)
            parts.append(opened.read(SAMPLED))
    return header + b"".join(parts)


def _parameters(function: Any) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(function).parameters


def _counts(pipe: Any) -> bool:
    return any(key.startswith("num_") for key in _parameters(pipe.encode_prompt))
