"""What a cascade is asked for: text, a label, or a field, encoded once and shared by all stages."""

from __future__ import annotations

from dynaxx.spec.base import Count, Share, Spec


class TextSpec(Spec):
    """A prompt. `encoder` is `words`, `word-vectors`, or a Hugging Face text encoder by name or folder.

    Neither of the first two needs a download: `words` gives each word a fixed vector of its own, `word-vectors` (of
    width 96) gives words of like meaning like vectors, so that a word never trained on is understood by its kin.
    `dropout` is the share of training samples whose prompt is withheld, which guidance needs.
    """

    encoder: str = "words"
    width: Count = 64
    max_tokens: Count = 16
    dropout: Share = 0.1


class LabelSpec(Spec):
    """A class number in 0 .. classes - 1."""

    classes: Count
    dropout: Share = 0.1


class FieldSpec(Spec):
    """A signal known everywhere on the grid (terrain, a weather state), resized to each stage."""

    channels: Count
    dropout: Share = 0.0


class ConditionSpec(Spec):
    """Which conditions the cascade takes; none is a fine answer."""

    text: TextSpec | None = None
    label: LabelSpec | None = None
    field: FieldSpec | None = None
