"""Emoji drawn from any colour-emoji font, with their names as captions."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import final

import numpy as np
import torch
from PIL import ImageFont

from dynaxx.data.glyph import draw, find_font, has, has_sequences, open_font
from dynaxx.data.report import DataReport, Notice
from dynaxx.data.sample import Sample
from dynaxx.data.split import Part, belongs
from dynaxx.errors import DataError, MissingExtraError
from dynaxx.spec.data import EmojiData

TONES = "\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"
GENDERED = str.maketrans("👨👩👦👧👴👵🤴👸🎅🤶🕺💃👬👭", "🧑🧑🧒🧒🧓🧓👑👑🎅🎅💃💃👫👫")
SIGNS = dict.fromkeys(map(ord, f"{TONES}\u2642\u2640\u200d\ufe0f"))
REGIONAL = range(0x1F1E6, 0x1F200)


@final
class Emoji:
    """Every emoji that the `emoji` package names and the font can draw, on white at `spec.size`, by name.

    The package (`pip install dynaxx[emoji]`) gives names, the font pictures; both set what there is. Skin tones and
    genders of one emoji share a group. Pictures are drawn when asked for.
    """

    def __init__(self, spec: EmojiData, root: Path | None = None, *, part: Part = "used") -> None:
        given = spec.font if spec.font is None or root is None else str(root / Path(spec.font).expanduser())
        named = _named()
        self._size, (self._font, drawable) = spec.size, _opened(find_font(given))
        plain = named if has_sequences() else {char: name for char, name in named.items() if is_single(char)}
        drawn = {char: name for char, name in plain.items() if char in drawable}
        chosen = [char for char in drawn if spec.flags or not is_flag(char)]
        self._chars = [char for char in chosen if belongs(group_of(char), spec.withheld, part)]
        if not self._chars:
            raise DataError("emoji", "no emoji is left in this part of the data.", "Set a smaller `withheld`.")
        self._names = drawn
        notices = []
        if len(plain) < len(named):
            text = f"{len(named) - len(plain)} emoji made of several characters are left out: Pillow lacks Raqm."
            notices.append(Notice("", f"{text} Install libfribidi0, or Pillow's own wheels."))
        if len(drawn) < len(plain):
            notices.append(Notice("", f"{len(plain) - len(drawn)} emoji are left out: the font does not have them."))
        self.report = DataReport(len(self._chars), tuple(notices))

    def __len__(self) -> int:
        return len(self._chars)

    def __getitem__(self, index: int) -> Sample:
        char = self._chars[index]
        tile = draw(self._font, char, self._size, margin=self._size // 32)
        if tile is None:
            raise DataError("emoji", f"the font no longer draws {char}.", "Open the data again.")
        x = torch.from_numpy(np.array(tile)).permute(2, 0, 1).contiguous().float() / 127.5 - 1
        return Sample(x, self._names[char], id=char, group=group_of(char))

    @property
    def captions(self) -> tuple[str, ...]:
        """Every name, in order."""
        return tuple(self._names[char] for char in self._chars)


def group_of(char: str) -> str:
    """The emoji without skin tone and gender: the same for all variants of one thing.

    >>> group_of("👩🏽‍🚀") == group_of("👨‍🚀"), group_of("🙋🏿‍♀️") == group_of("🙋"), group_of("🐶") == group_of("🐱")
    (True, True, False)
    """
    return char.translate(SIGNS).translate(GENDERED)


def is_single(char: str) -> bool:
    """Whether an emoji is one character, a variation selector aside."""
    return len(char.replace("\ufe0f", "")) == 1


def is_flag(char: str) -> bool:
    """Whether an emoji is the flag of a region, spelt in regional letters."""
    return ord(char[0]) in REGIONAL


@lru_cache(maxsize=4)
def _opened(font: Path) -> tuple[ImageFont.FreeTypeFont, frozenset[str]]:
    """The font, and which emoji it has: seconds of work, done once."""
    opened = open_font(font)
    return opened, frozenset(char for char in _named() if has(opened, char))


def _named() -> dict[str, str]:
    """Every fully qualified emoji with its English name, in code point order."""
    try:
        import emoji
    except ImportError as error:
        raise MissingExtraError(
            "emoji",
            "the names of emoji need the package 'emoji'.",
            "Run `pip install 'dynaxx[emoji]'`, or use the pictures of `kind: bundled`.",
        ) from error
    full = emoji.STATUS["fully_qualified"]
    return {char: _name(char, row["en"]) for char, row in sorted(emoji.EMOJI_DATA.items()) if row["status"] == full}


def _name(char: str, code: str) -> str:
    """`:red_apple:` as words."""
    words = code.strip(":").replace("_", " ").replace("“", "").replace("”", "")
    return f"flag of {words}" if is_flag(char) else words
