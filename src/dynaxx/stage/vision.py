"""Hugging Face vision models as feature extractors, and CLIP's as a judge of how well a picture fits its prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor, nn

from dynaxx.errors import MissingExtraError, RunError, UsageError
from dynaxx.metrics.alignment import alignment
from dynaxx.metrics.features import BATCH, TorchFeatures
from dynaxx.stage.absent import reason_of

HALF = (0.5, 0.5, 0.5)
DEFAULT_SIDE = 224


def vision_features(name: str, *, allow_download: bool = False, batch_size: int = BATCH) -> TorchFeatures:
    """The pooled answer of a vision model (ViT, DINOv2, CLIP, SigLIP, ConvNeXt, ResNet and their kin) as features.

    Pictures `(B, C, H, W)` in [-1, 1], C in {1, 3}, are brought to the size, mean and std that the model's own
    `preprocessor_config.json` names. Only a folder or what is already cached is read, unless downloads are allowed.

    Raises:
        MissingExtraError: if transformers is not installed.
        RunError: if the model cannot be read.
    """
    model, side, prepare = _opened(name, allow_download)
    return TorchFeatures(_Pooled(model), name, size=(side, side), prepare=prepare, batch_size=batch_size)


@final
class PromptFit:
    """CLIPScore (arXiv 2104.08718, equation 1) of pictures and their prompts, by a CLIP-type model."""

    def __init__(self, name: str, *, allow_download: bool = False) -> None:
        """Read the model and its tokenizer; errors are those of `vision_features`."""
        self._images = vision_features(name, allow_download=allow_download)
        assert isinstance(self._images.module, _Pooled)
        self._model = self._images.module.model
        if not hasattr(self._model, "get_text_features"):
            raise UsageError("prompt fit", f"{name!r} reads no text.", "Name a CLIP-type model.")
        self._tokenizer = _tokenizer(name, allow_download)

    def __call__(self, x: Tensor, prompts: Sequence[str]) -> Tensor:
        """One score for each picture `(B, C, H, W)` and its prompt: 2.5 max(cosine, 0), `(B,)`."""
        if len(x) != len(prompts):
            raise UsageError("prompt fit", f"got {len(x)} pictures and {len(prompts)} prompts.", "Give one for each.")
        tokens = self._tokenizer(list(prompts), padding=True, truncation=True, return_tensors="pt")
        with torch.inference_mode():
            answer = self._model.get_text_features(**tokens)
        texts = answer if isinstance(answer, Tensor) else answer.pooler_output
        return alignment(self._images(x), texts)


@final
class _Pooled(nn.Module):
    """One row of numbers for each picture, however the model answers."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        if hasattr(self.model, "get_image_features"):
            answer = self.model.get_image_features(pixel_values=x)
            return answer if isinstance(answer, Tensor) else answer.pooler_output
        answer = self.model(pixel_values=x)
        pooled = getattr(answer, "pooler_output", None)
        return (answer.last_hidden_state.mean(dim=1) if pooled is None else pooled).flatten(1)


def _opened(name: str, allow_download: bool) -> tuple[Any, int, Any]:
    """The model, the side of its pictures, and how they are prepared."""
    try:
        from transformers import AutoModel
    except ImportError as error:
        fix = "Install it with `pip install 'dynaxx[text]'`, or use the built-in features."
        raise MissingExtraError("features", f"{name!r} needs transformers.", fix) from error
    local = not allow_download
    try:
        model = AutoModel.from_pretrained(name, local_files_only=local, use_safetensors=True)
    except (OSError, ValueError, KeyError) as error:
        raise _unread(name, error) from error
    facts = _preprocessing(name, local)
    vision = getattr(model.config, "vision_config", model.config)
    side = _side(facts) or getattr(vision, "image_size", None) or DEFAULT_SIDE
    mean, std = (torch.tensor(facts.get(key) or HALF).reshape(-1, 1, 1) for key in ("image_mean", "image_std"))

    def prepare(x: Tensor) -> Tensor:
        seen = x.float() if x.shape[1] == 3 else x[:, :1].float().expand(-1, 3, -1, -1)
        return (seen.clamp(-1, 1) / 2 + 0.5 - mean) / std

    return model.eval().requires_grad_(False), int(side), prepare


def _preprocessing(name: str, local: bool) -> Mapping[str, Any]:
    """What `preprocessor_config.json` says; nothing where there is none."""
    from transformers.image_processing_base import ImageProcessingMixin

    try:
        found, _ = ImageProcessingMixin.get_image_processor_dict(name, local_files_only=local)
    except (OSError, ValueError):
        return {}
    return dict(found)


def _side(facts: Mapping[str, Any]) -> int | None:
    size = facts.get("crop_size") or facts.get("size") or {}
    return size if isinstance(size, int) else size.get("height") or size.get("shortest_edge")


def _tokenizer(name: str, allow_download: bool) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(name, local_files_only=not allow_download)
    except (OSError, ValueError, KeyError) as error:
        raise _unread(name, error) from error


def _unread(name: str, error: Exception) -> RunError:
    fix = "Name a folder that holds it, allow downloads (`allow_download=True`), or use the built-in features."
    return RunError("features", f"{name!r} cannot be read ({reason_of(error)}).", fix)
