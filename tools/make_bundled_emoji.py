"""Remakes the pictures that travel with the package from `bundled_emoji.txt` and the Noto Color Emoji font.

    python tools/make_bundled_emoji.py [--font NotoColorEmoji.ttf]

Writes `emoji.png` (one contact sheet, 64x64 tiles on white) and `emoji.jsonl` (a line per tile) into
`src/dynaxx/data/bundled`. The same font and the same Pillow give the same bytes.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from PIL import Image

from dynaxx.data.bundled import COLUMNS, FOLDER, TILE
from dynaxx.data.glyph import draw, find_font, open_font

LIST = Path(__file__).with_name("bundled_emoji.txt")


def rows(text: str) -> list[dict[str, object]]:
    """`# category` lines, each followed by `EMOJI caption | other words` lines."""
    found: list[dict[str, object]] = []
    category = ""
    for line in filter(None, text.splitlines()):
        if line.startswith("# "):
            category = line[2:]
            continue
        char, rest = line.split(" ", 1)
        caption, _, others = rest.partition(" | ")
        keywords = sorted({*others.split(), *category.split()})
        found.append({"char": char, "caption": caption, "category": category, "keywords": keywords})
    return found


def main() -> None:
    """Draw every tile and write the sheet and its captions."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--font", help="path of NotoColorEmoji.ttf; found by itself in the usual places")
    font = open_font(find_font(options.parse_args().font))
    found = rows(LIST.read_text("utf-8"))
    sheet = Image.new("RGB", (COLUMNS * TILE, -(-len(found) // COLUMNS) * TILE), "#ffffff")
    for index, row in enumerate(found):
        tile = draw(font, str(row["char"]), TILE, margin=2)
        if tile is None:
            raise SystemExit(f"{row['char']} ({row['caption']}) is not in this font.")
        sheet.paste(tile, (index % COLUMNS * TILE, index // COLUMNS * TILE))
    sheet.save(FOLDER / "emoji.png", optimize=True)
    lines = (json.dumps(row, ensure_ascii=False) for row in found)
    (FOLDER / "emoji.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    print(f"{len(found)} pictures, {(FOLDER / 'emoji.png').stat().st_size / 2**20:.2f} MiB")


if __name__ == "__main__":
    main()
