"""Vision models from Hugging Face as extractors: real ones, tiny, written and read here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from dynaxx.errors import RunError, UsageError
from dynaxx.metrics.alignment import alignment
from dynaxx.stage.vision import PromptFit, vision_features

SMALL = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}


def pictures(channels: int = 3) -> Tensor:
    return torch.rand(5, channels, 20, 20, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import ViTConfig, ViTModel

    folder = tmp_path_factory.mktemp("vit")
    torch.manual_seed(0)
    ViTModel(ViTConfig(**SMALL, image_size=16, patch_size=8)).save_pretrained(folder)
    facts = {"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.2, 0.2], "size": {"height": 16, "width": 16}}
    (folder / "preprocessor_config.json").write_text(json.dumps({"image_processor_type": "ViTImageProcessor", **facts}))
    return folder


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

    folder = tmp_path_factory.mktemp("clip")
    words = ["<|startoftext|>", "<|endoftext|>", "a", "a</w>", "b", "b</w>"]
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=8).save_pretrained(folder)
    torch.manual_seed(0)
    text = {**SMALL, "vocab_size": len(words), "max_position_embeddings": 8, "bos_token_id": 0, "eos_token_id": 1}
    config = CLIPConfig(text_config=text, vision_config={**SMALL, "image_size": 16, "patch_size": 8}, projection_dim=8)
    CLIPModel(config).save_pretrained(folder)
    return folder


def test_features_are_the_models_own(vit: Path) -> None:
    from transformers import ViTModel

    from dynaxx.signal.resample import resample

    x = pictures()
    found = vision_features(str(vit), batch_size=2)(x)
    seen = resample(x, (16, 16), "bicubic-antialias").clamp(-1, 1) / 2 + 0.5
    seen = (seen - torch.tensor([0.4, 0.5, 0.6]).reshape(3, 1, 1)) / 0.2
    with torch.no_grad():
        expected = ViTModel.from_pretrained(vit).eval()(pixel_values=seen).pooler_output
    assert torch.allclose(found, expected, atol=1e-5)


def test_grey_is_seen_three_times(vit: Path) -> None:
    grey = pictures(1)
    extract = vision_features(str(vit))
    assert torch.equal(extract(grey), extract(grey.expand(-1, 3, -1, -1)))


def test_prompt_fit_is_clips_own_similarity(clip: Path) -> None:
    from transformers import CLIPModel, CLIPTokenizer

    from dynaxx.signal.resample import resample

    prompts = ["a", "b", "a b", "b a", "a a"]
    scores = PromptFit(str(clip))(pictures(), prompts)
    model, tokens = CLIPModel.from_pretrained(clip).eval(), CLIPTokenizer.from_pretrained(clip)
    seen = resample(pictures(), (16, 16), "bicubic-antialias").clamp(-1, 1)
    with torch.no_grad():
        answer = model(**tokens(prompts, padding=True, return_tensors="pt"), pixel_values=seen)
    cosine = answer.logits_per_image.diagonal() / model.logit_scale.exp()
    assert torch.allclose(scores, 2.5 * cosine.clamp(min=0).double(), atol=1e-5)
    assert float(scores.max()) > 0


def test_alignment_is_the_formula() -> None:
    images, texts = (
        torch.tensor([[1.0, 0.0], [1.0, 1.0], [1.0, 0.0]]),
        torch.tensor([[3.0, 0.0], [1.0, 0.0], [-1.0, 0.0]]),
    )
    assert alignment(images, texts).tolist() == pytest.approx([2.5, 2.5 / 2**0.5, 0.0])
    with pytest.raises(UsageError, match="of one shape"):
        alignment(images, texts[:2])


def test_what_is_not_there_is_said(vit: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot be read.*built-in features"):
        vision_features(str(tmp_path / "nothing"))
    with pytest.raises(UsageError, match="reads no text"):
        PromptFit(str(vit))
