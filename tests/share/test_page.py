"""The demo page: well-formed, self-contained, escaped, and complete."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image
from tests.share.page_reader import Reader

from dynaxx.share.page import DemoPage, Film, Picture, PromptRow, StageCard, StageShot, duration, level, render


def shapes(size: int, blur: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:size, 0:size] / size - 0.5
    disc = np.clip((0.36 - np.hypot(x, y)) * size / 2, 0, 1)[..., None]
    picture = 255 * (1 - disc) + disc * rng.integers(30, 230, 3) * (1 - 0.3 * y[..., None])
    return np.clip(picture + blur * 255 * rng.standard_normal((size, size, 3)), 0, 255).astype(np.uint8)


def shot(stage: str, size: int, seed: int, std: float | None) -> StageShot:
    walk = [shapes(size, noise, seed) for noise in (1.5, 0.8, 0.4, 0.2, 0.1, 0)]
    return StageShot(
        stage=stage,
        picture=Picture.of(walk[-1], f"{stage} at {size}"),
        latency_s=0.0123 * size / 16,
        std=std,
        saw=None if std is None else Picture.of(shapes(size, std, seed), f"noisy input of {stage}"),
        film=Film.of(walk, f"steps of {stage}"),
    )


def make_page(prompts: tuple[str, ...] = ("red heart", "pizza", "umbrella")) -> DemoPage:
    stages = (
        StageCard("base", "base", "16 x 16", "cosine", "dpmpp-2m", 24, 0.012, None, "Settles what the picture is."),
        StageCard("bridge", "bridge", "32 x 32", "cosine", "dpmpp-2m", 16, 0.025, 0.3, "Resolves shape."),
        StageCard("refine", "refine", "64 x 64", "truncated", "dpmpp-2m", 12, 0.049, 0.1, "Adds the last detail."),
    )
    rows = tuple(
        PromptRow(p, 0, i, (shot("base", 16, i, None), shot("bridge", 32, i, 0.3), shot("refine", 64, i, 0.1)))
        for i, p in enumerate(prompts)
    )
    return DemoPage(
        title="A cascade at work",
        lead="Three stages: the first decides, the second resolves, the third finishes.",
        stages=stages,
        rows=rows,
        note="These stages are exact: they recall stored pictures.",
        command="dynaxx demo --seed 0",
        script='from dynaxx import Cascade\n\nCascade.from_pretrained("emoji-exact").sample("red heart", seed=0)',
        facts=(("run_id", "ab12cd34"), ("device", "cpu")),
    )


@pytest.fixture(scope="module")
def html() -> str:
    return render(make_page())


@pytest.fixture(scope="module")
def reader(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader


def test_every_tag_is_closed(reader: Reader) -> None:
    assert reader.open == []


def test_nothing_is_fetched(html: str, reader: Reader) -> None:
    addresses = [value for _, attrs in reader.tags for name, value in attrs.items() if name in ("src", "href")]
    assert len(addresses) == 3 * 5
    assert all((address or "").startswith("data:image/png;base64,") for address in addresses)
    assert all(target.startswith("data:") for target in re.findall(r"url\(([^)]*)\)", html))
    assert not re.search(r"(https?:)?//[a-z]|@import", re.sub(r"base64,[A-Za-z0-9+/=]*", "", html))


def test_pictures_arrive_whole(reader: Reader) -> None:
    first = next(attrs for tag, attrs in reader.tags if tag == "img")
    data = base64.b64decode((first["src"] or "").partition(",")[2])
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), shapes(16, 0, 0))
    assert first["class"] == "pixelated"


def test_everything_is_described(reader: Reader) -> None:
    images = [attrs for tag, attrs in reader.tags if tag == "img"]
    films = [attrs for _, attrs in reader.tags if attrs.get("role") == "img"]
    assert all(attrs["alt"] for attrs in images)
    assert len(films) == 9
    assert all(attrs["aria-label"] for attrs in films)


def test_time_and_level_stand_under_the_pictures(reader: Reader) -> None:
    for words in (
        "from pure noise",
        "told std 0.3",
        "told std 0.1",
        "12 ms",
        "25 ms",
        "49 ms",
        "dynaxx demo --seed 0",
        "ab12cd34",
        "recall stored pictures",
    ):
        assert words in reader.text


def test_prompts_are_escaped() -> None:
    prompt = '<script>alert("x")</script>'
    html = render(make_page((prompt,)))
    assert prompt not in html
    assert "&lt;script&gt;" in html


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.0004, "0.4 ms"), (0.0094, "9.4 ms"), (0.0384, "38 ms"), (1.24, "1.2 s"), (9.96, "10 s"), (75.2, "75 s")],
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_levels() -> None:
    assert [level(std) for std in (0.1, 0.42719, 80.0)] == ["0.1", "0.427", "80"]
