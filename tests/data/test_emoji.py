from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from dynaxx.data.emoji import Emoji, group_of
from dynaxx.data.glyph import find_font, open_font
from dynaxx.errors import DataError, MissingExtraError
from dynaxx.spec.data import EmojiData


def has_font() -> bool:
    try:
        find_font()
    except DataError:
        return False
    return True


needs_font = pytest.mark.skipif(not has_font(), reason="needs a colour-emoji font")


@pytest.fixture(scope="module")
def data() -> Emoji:
    pytest.importorskip("emoji")
    return Emoji(EmojiData(size=32))


@needs_font
def test_thousands_of_captioned_pictures(data: Emoji) -> None:
    assert len(data) > 1200  # about 3,800 with Raqm
    assert len(set(data.captions)) == len(data)
    for caption in ("red apple", "flag of Japan", "snowman without snow"):
        assert caption in data.captions
    apple = data[data.captions.index("red apple")]
    assert apple.x.shape == (3, 32, 32)
    assert apple.x.dtype == torch.float32
    assert float(apple.x.abs().max()) <= 1
    assert bool((apple.x[:, 0, 0] == 1).all())
    red, green, blue = apple.x[:, 16, 16].tolist()
    assert red > max(green, blue) + 0.5


@needs_font
def test_pictures_differ(data: Emoji) -> None:
    x = torch.stack([data[i].x for i in range(0, len(data), len(data) // 100)]).flatten(1)
    assert float((torch.cdist(x, x) + 1e6 * torch.eye(len(x))).min()) > 1


@needs_font
def test_flags_of_regions_can_be_left_out(data: Emoji) -> None:
    without = Emoji(EmojiData(size=32, flags=False))
    gone = set(data.captions) - set(without.captions)
    assert gone == {caption for caption in data.captions if caption.startswith("flag of ")}
    assert len(gone) > 200


@needs_font
def test_withheld_groups_never_part_variants(data: Emoji) -> None:
    pytest.importorskip("emoji")
    used, withheld = (Emoji(EmojiData(size=32, withheld=0.2), part=part) for part in ("used", "withheld"))
    assert len(used) + len(withheld) == len(data)
    groups = [{group_of(char) for char in part._chars} for part in (used, withheld)]
    assert not groups[0] & groups[1]
    assert 0.1 < len(groups[1]) / (len(groups[0]) + len(groups[1])) < 0.3


@pytest.mark.parametrize(("one", "other"), [
    ("👋🏻", "👋🏿"), ("👩🏽‍🚀", "🧑‍🚀"), ("🙋‍♂️", "🙋"), ("👨‍👩‍👧", "👩‍👩‍👦"), ("👸", "🤴"),
    ("💃", "🕺🏾"), ("☝️", "☝🏽"),
])  # fmt: skip
def test_variants_share_a_group(one: str, other: str) -> None:
    assert group_of(one) == group_of(other)


@pytest.mark.parametrize(("one", "other"), [("🐶", "🐱"), ("👩‍🚀", "👩‍🚒"), ("👧", "👩"), ("❤️", "💙"), ("🇫🇷", "🇯🇵")])
def test_different_things_do_not(one: str, other: str) -> None:
    assert group_of(one) != group_of(other)


def test_fonts_that_will_not_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone.ttf: there is no font here. Install one .* or give its path"):
        find_font(str(tmp_path / "gone.ttf"))
    with pytest.raises(DataError, match="no colour-emoji font was found in .*fonts-noto-color-emoji"):
        find_font(folders=(str(tmp_path),))
    (tmp_path / "NotoColorEmoji.ttf").write_text("hello")
    assert find_font(folders=(str(tmp_path),)).name == "NotoColorEmoji.ttf"
    with pytest.raises(DataError, match=r"NotoColorEmoji.ttf: cannot be read as a font \(.*Install one"):
        open_font(tmp_path / "NotoColorEmoji.ttf")


def test_plain_font_holds_no_colour() -> None:
    plain = next((path for path in sorted(Path("/usr/share/fonts").rglob("*.ttf")) if "olor" not in path.name), None)
    if plain is None:
        pytest.skip("needs a plain font")
    with pytest.raises(DataError, match="this font holds no colour pictures"):
        open_font(plain)


@needs_font
def test_without_raqm_sequences_are_left_out_with_a_notice(data: Emoji, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dynaxx.data.emoji.has_sequences", lambda: False)
    plain = Emoji(EmojiData(size=32))
    assert 1000 < len(plain) < len(data)
    assert set(plain.captions) < set(data.captions)
    assert "emoji made of several characters are left out: Pillow lacks Raqm. Install libfribidi0" in str(plain.report)
    assert "flag of Japan" not in plain.captions


@needs_font
def test_names_need_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "emoji", None)  # as if it were not installed
    with pytest.raises(MissingExtraError, match=r"pip install 'dynaxx\[emoji\]'.*kind: bundled"):
        Emoji(EmojiData())
