from __future__ import annotations

import importlib.util
import json
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from dynaxx.data.bundled import FOLDER, Bundled
from dynaxx.errors import DataError

DATA = Bundled()


def test_hundreds_of_different_pictures_in_range() -> None:
    x = torch.stack([DATA[i].x for i in range(len(DATA))])
    assert x.shape == (len(DATA), 3, 64, 64)
    assert len(DATA) >= 400
    assert x.dtype == torch.float32
    assert (float(x.min()), float(x.max())) == (-1.0, 1.0)
    near = torch.cdist(x.flatten(1), x.flatten(1)) + 1e6 * torch.eye(len(DATA))
    assert float(near.min()) > 5  # no picture twice
    assert bool((x[:, :, [0, 0, -1, -1], [0, -1, 0, -1]] == 1).all())  # white corners


def test_each_is_what_its_caption_says() -> None:
    """Colours named in a caption dominate the picture: the tiles have not slipped against their lines."""
    colours = {"red heart": 0, "green heart": 1, "blue heart": 2, "red apple": 0, "green apple": 1, "red car": 0}
    for caption, channel in colours.items():
        x = DATA[DATA.captions.index(caption)].x
        inked = x.mean(0) < 0.7
        means = torch.stack([plane[inked].mean() for plane in x])
        assert int(means.argmax()) == channel, caption


def test_captions_are_unique_and_lines_complete() -> None:
    rows = [json.loads(line) for line in (FOLDER / "emoji.jsonl").read_text("utf-8").splitlines()]
    assert len(set(DATA.captions)) == len({row["char"] for row in rows}) == len(rows) == len(DATA)
    assert all(row["keywords"] and row["category"] for row in rows)
    assert not any(tone in row["char"] for row in rows for tone in "\U0001f3fb\U0001f3ff")
    starts = [DATA.categories[DATA[i].label or 0] for i in range(len(DATA))]
    assert sum(a != b for a, b in pairwise(starts)) == len(DATA.categories) - 1  # categories lie together


def test_is_small_and_licensed() -> None:
    assert (FOLDER / "emoji.png").stat().st_size < 2 * 2**20
    text = (FOLDER / "LICENSE.txt").read_text("utf-8")
    assert "SIL OPEN FONT LICENSE Version 1.1" in text
    assert "Copyright 2013" in text


def test_ends_where_it_ends() -> None:
    with pytest.raises(IndexError):
        DATA[len(DATA)]
    with pytest.raises(DataError, match="'nothing' are missing or damaged.*Install the package again"):
        Bundled("nothing")


def test_lines_are_those_of_the_list_they_are_made_from() -> None:
    tool = Path(__file__).parents[2] / "tools/make_bundled_emoji.py"
    spec = importlib.util.spec_from_file_location("make_bundled_emoji", tool)
    assert spec is not None
    assert spec.loader is not None
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    rows = [json.loads(line) for line in (FOLDER / "emoji.jsonl").read_text("utf-8").splitlines()]
    assert make.rows(make.LIST.read_text("utf-8")) == rows
