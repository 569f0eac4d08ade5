"""A real, tiny text encoder that the test writes to disk: read by folder, no network, errors that say the way out."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dynaxx.errors import MissingExtraError, RunError, SpecError
from dynaxx.spec.condition import TextSpec
from dynaxx.stage.text_encoder import make_text_encoder

transformers = pytest.importorskip("transformers")

VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "red", "cat", "dog")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bert")
    (path / "vocab.txt").write_text("\n".join(VOCABULARY))
    transformers.BertTokenizer(str(path / "vocab.txt")).save_pretrained(path)
    config = transformers.BertConfig(
        vocab_size=len(VOCABULARY), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
    )  # fmt: skip
    torch.manual_seed(0)
    transformers.BertModel(config).save_pretrained(path)
    return path


def test_last_hidden_states_equal_the_models_own(folder: Path) -> None:
    tokens, mask = make_text_encoder(TextSpec(encoder=str(folder), width=16, max_tokens=6))(["a red cat", ""])
    ids = torch.tensor([[2, 5, 6, 7, 3]])
    model = transformers.BertModel.from_pretrained(folder).eval()
    expected = model(input_ids=ids).last_hidden_state.detach()
    torch.testing.assert_close(tokens[:1, :5], expected, atol=1e-5, rtol=1e-5)
    assert mask.tolist() == [[True] * 5 + [False], [False] * 6]
    assert not tokens[0, 5].any()
    assert not tokens[1].any()


def test_the_wrong_width_names_the_right_one(folder: Path) -> None:
    with pytest.raises(SpecError, match=r"expects width 64, but .* gives 16. Set condition.text.width: 16"):
        make_text_encoder(TextSpec(encoder=str(folder)))


def test_an_encoder_that_is_not_there_says_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(
        RunError, match=r"is not on this machine\. Name a folder that holds it, or set `encoder: words`\.$"
    ):
        make_text_encoder(TextSpec(encoder=str(tmp_path / "none")))
    with pytest.raises(RunError, match=r"set `encoder: words`, or allow downloads: --download, Runtime\("):
        make_text_encoder(TextSpec(encoder="no-one/nothing"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match=r"cannot be read .*Name a folder that holds it, or set `encoder: words`\.$"):
        make_text_encoder(TextSpec(encoder=str(tmp_path / "empty")))


def test_without_transformers_the_extra_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"dynaxx\[text\]"):
        make_text_encoder(TextSpec(encoder=str(folder), width=16))
