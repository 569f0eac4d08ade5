"""The page of a training: every stage's curves from its own logs, nothing fetched."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import torch
from tests.share.page_reader import fetched, read
from tests.train.tiny import Given, tiny

from dynaxx.share.training_page import write_training_page
from dynaxx.train import Every, train


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real, small training."""
    folder = tmp_path_factory.mktemp("run")
    spec = tiny(base__train__steps=6, bridge__train__steps=4)
    train(spec, out=folder, every=Every(log=2, preview=2))
    return folder


def test_every_stage_has_its_curves(folder: Path) -> None:
    page = write_training_page(folder, ["base", "bridge"], name="tiny")
    assert page == folder / "training" / "index.html"
    html = page.read_text("utf-8")
    reader = read(html)
    assert fetched(html) == []
    for words in ("base", "bridge", "6 of 6 steps", "16 samples that it learned from", "much noise"):
        assert words in " ".join(reader.text.split()), words
    plots = [attrs for tag, attrs in reader.tags if tag == "svg" and attrs.get("class") == "plot"]
    assert len(plots) == 3 + 4  # a base has no input to be near to
    assert len([tag for tag, _ in reader.tags if tag == "img"]) == 2


def test_dots_are_the_lines_of_the_log(folder: Path) -> None:
    page = write_training_page(folder, ["base"], name="tiny")
    assert page is not None
    first = page.read_text("utf-8").partition('<svg viewBox="0 0 360')[2].partition("</svg>")[0]
    drawn = ET.fromstring('<svg viewBox="0 0 360' + first + "</svg>")
    assert [title.text.split(":")[0] for title in drawn.iter("title") if title.text and " at " in title.text] == [
        f"MMD\u00b2 on built-in features at {step}" for step in (2, 4, 6)
    ]


def test_no_log_no_page(tmp_path: Path) -> None:
    assert write_training_page(tmp_path, ["base"], name="tiny") is None


def test_samples_that_cannot_be_measured_are_said(tmp_path: Path) -> None:
    spec = tiny(base__train__steps=2, bridge__train__steps=1)
    train(spec, data=Given(list(torch.rand(4, 3, 8, 8)), ["x"] * 4), out=tmp_path)
    page = write_training_page(tmp_path, ["base", "bridge"], name="tiny")
    assert page is not None
    assert "Too few or too equal samples" in page.read_text("utf-8")
