"""Conditions: encoded once, withheld in parts, joined, taken apart; what does not fit is refused with a way out."""

from __future__ import annotations

import pytest
import torch

from dynaxx.errors import UsageError
from dynaxx.spec.condition import ConditionSpec, FieldSpec, LabelSpec, TextSpec
from dynaxx.stage.condition import Condition, encode
from dynaxx.stage.words import Words, words

ALL = ConditionSpec(text=TextSpec(width=8, max_tokens=4), label=LabelSpec(classes=3), field=FieldSpec(channels=2))
PARTS = ("tokens", "mask", "labels", "field")


def full() -> Condition:
    return encode(ALL, prompts=["a red cat", "", "dog"], labels=[0, -1, 2], field=torch.randn(3, 2, 4, 4))


def same(a: Condition, b: Condition) -> bool:
    return a.texts == b.texts and all(torch.equal(getattr(a, part), getattr(b, part)) for part in PARTS)


def test_take_and_join_are_inverse() -> None:
    asked = full()
    assert same(asked.take([0, 1]).joined(asked.take(slice(2, None))), asked)
    assert asked.take([2, 0]).texts == ("dog", "a red cat")


def test_null_asks_for_nothing_and_keeps_shapes() -> None:
    null = full().null()
    assert null.texts == ("", "", "")
    assert not null.mask.any()
    assert not null.tokens.any()
    assert (null.labels == -1).all()
    assert not null.field.any()
    assert null.field.shape == (3, 2, 4, 4)
    assert same(null, null.null())


def test_without_withholds_the_rows_and_parts_named() -> None:
    asked = full()
    part = asked.without(text=torch.tensor([True, False, False]), label=True)
    assert part.texts == ("", "", "dog")
    assert not part.mask[0].any()
    assert torch.equal(part.mask[2], asked.mask[2])
    assert (part.labels == -1).all()
    assert torch.equal(part.field, asked.field)


def test_one_prompt_label_and_field_serve_all_samples() -> None:
    asked = encode(ALL, prompts="cat", labels=1, field=torch.ones(2, 4, 4), count=3)
    assert asked.texts == ("cat",) * 3
    assert asked.labels.tolist() == [1, 1, 1]
    assert asked.field.shape == (3, 2, 4, 4)


def test_nothing_given_asks_for_nothing() -> None:
    asked = encode(ConditionSpec(text=TextSpec(), label=LabelSpec(classes=3)), count=2)
    assert asked.texts == ("", "")
    assert asked.labels.tolist() == [-1, -1]
    assert len(encode(ConditionSpec(), count=5)) == 5


def test_on_resizes_the_field_and_keeps_a_constant() -> None:
    asked = encode(ALL, prompts="x", labels=1, field=torch.full((2, 4, 4), 0.25)).on((8, 6))
    assert asked.field.shape == (1, 2, 8, 6)
    torch.testing.assert_close(asked.field, torch.full((1, 2, 8, 6), 0.25))


@pytest.mark.parametrize(
    ("spec", "given", "message"),
    [
        (ConditionSpec(), {"prompts": "cat"}, "a text was given, but this cascade takes none. Leave it out"),
        (ConditionSpec(), {"labels": 1}, "a label was given, but this cascade takes none"),
        (ConditionSpec(), {"field": torch.zeros(1, 4)}, "a field was given, but this cascade takes none"),
        (ConditionSpec(label=LabelSpec(classes=3)), {"labels": 3}, "label 3 is out of range. Give 0 to 2"),
        (ConditionSpec(field=FieldSpec(channels=2)), {}, "needs a field. Give a tensor with 2 channels"),
        (
            ConditionSpec(field=FieldSpec(channels=2)), {"field": torch.zeros(3, 4, 4)},
            r"shape \(3, 4, 4\), but the cascade takes 2 channels",
        ),
        (ConditionSpec(text=TextSpec()), {"prompts": ["a", "b"], "count": 3}, "2 prompts for 3 samples. Give one"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(spec: ConditionSpec, given: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        encode(spec, **given)


def test_words_drop_case_and_punctuation() -> None:
    assert words("A red-haired Cat, smiling!") == ["a", "red", "haired", "cat", "smiling"]
    assert words("Ärger 東京 2") == ["ärger", "東京", "2"]


def test_word_vectors_are_fixed_have_unit_variance_and_are_nearly_orthogonal() -> None:
    encoder = Words(512, 2)
    cats, mask = encoder(["cat", "CAT!", "dog"])
    assert torch.equal(cats[0], cats[1])
    assert mask.tolist() == [[True, False]] * 3
    vectors = cats[:, 0] - Words(512, 2)([""])[0][:, 0]
    cat, dog = (v - torch.cat([torch.zeros(256), torch.ones(256)]) for v in (vectors[0], vectors[2]))
    assert cat.var().item() == pytest.approx(1, abs=0.2)
    assert abs(torch.cosine_similarity(cat, dog, dim=0).item()) < 0.2
    assert encoder(["never-heard-of-zqxv"])[0][0, 0].abs().sum() > 0


def test_words_know_the_order_and_stop_at_the_limit() -> None:
    tokens, mask = Words(16, 3)(["a b c d e", "b a"])
    assert mask.tolist() == [[True, True, True], [True, True, False]]
    assert not torch.allclose(tokens[0, 0], tokens[1, 1])
    assert not tokens[1, 2].any()
