"""The demo draws what it was asked for, and its page shows every stage of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from dynaxx.data.bundled import Bundled
from dynaxx.noise.level import CLEAN
from dynaxx.noise.solve.step import Step
from dynaxx.share.demo import FRAMES, PROMPTS, Demo, Reel, make_demo
from dynaxx.share.demo_look import look_at, look_page, write_look


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    return make_demo(tmp_path_factory.mktemp("demo"), cascade="emoji-exact", seed=3, prompts=("pizza", "rocket"))


def test_every_prompt_is_known() -> None:
    assert set(PROMPTS) <= set(Bundled().captions)


def test_the_page_shows_all(made: Demo) -> None:
    html = made.page.read_text(encoding="utf-8")
    assert html.count('class="row"') == 2
    assert html.count("<img") == 2 * 5
    assert html.count('class="frame') == 2 * 3
    assert made.written.trace.run_id in html


def test_what_was_drawn_is_what_was_asked_for(made: Demo) -> None:
    from PIL import Image

    known = {sample.caption: sample.x for sample in Bundled()}
    for file, prompt in zip(made.written.files, ("pizza", "rocket"), strict=True):
        with Image.open(file) as image:
            x = torch.tensor(list(image.tobytes())).view(64, 64, 3).permute(2, 0, 1) / 127.5 - 1
        distances = {caption: float((x - picture).square().mean()) for caption, picture in known.items()}
        assert min(distances, key=lambda caption: distances[caption]) == prompt


def test_files_lie_beside_the_page(made: Demo) -> None:
    assert all(Path(file).parent == made.page.parent for file in made.written.files)
    assert all(file.exists() for file in (*made.written.files, *made.written.stage_files))


def test_a_page_links_to_a_report_where_there_will_be_one(made: Demo, tmp_path: Path) -> None:
    assert "lens/index.html" not in made.page.read_text(encoding="utf-8")
    link = look_page(tmp_path).relative_to(tmp_path).as_posix()
    page = make_demo(tmp_path, cascade="emoji-exact", prompts=("pizza",), report=link).page
    assert f'href="{link}"' in page.read_text(encoding="utf-8")


def test_the_report_of_a_demo_is_of_its_cascade_and_of_no_place_on_this_machine(tmp_path: Path) -> None:
    view = look_at("emoji-exact", num=8, budget_s=1e-6)
    assert [step.name for step in view.steps()][0] == "exam and error table"
    report = write_look(view, "emoji-exact", tmp_path)
    page, findings = look_page(tmp_path), json.loads((look_page(tmp_path).parent / "findings.json").read_text())
    assert page.is_file()
    assert (findings["cascade"]["from"], findings["method"]["n"]) == ("emoji-exact", 8)
    assert findings["method"]["command"] == "dynaxx demo --lens --cascade emoji-exact --seed 0"
    assert findings["verdict"]["headline"] == report.verdict.headline


@pytest.mark.parametrize("steps", [3, 8, 12, 24, 100])
def test_a_film_is_short_and_in_order(steps: int) -> None:
    reel = Reel()
    for part in range(2):  # two batches
        for index in range(steps):
            x = torch.full((2, 1, 1, 1), 100.0 * part + index)
            reel("base", Step(index, steps, CLEAN, x, x, x))
    film = [float(x) for x in reel.film("base", 2, torch.full((1, 1, 1), 999.0))]
    assert film == sorted(film)
    assert film[0] == 100.0
    assert film[-1] == 999.0
    assert min(steps, FRAMES) < len(film) <= 2 * FRAMES + 1
