"""A user's own class as a stage, and what is said when it is none."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dynaxx.errors import SpecError
from dynaxx.signal.random import Draws
from dynaxx.spec.grid import Grid
from dynaxx.spec.stage import CustomStage
from dynaxx.stage.condition import Condition
from dynaxx.stage.custom import make_custom
from dynaxx.stage.stage import Request

MODULE = """
import torch

class Flat:
    def __init__(self, spec, grid):
        self.value, self.grid = spec.options["value"], grid
    def run(self, request):
        return torch.full((len(request.draws.ids), *request.grid.shape), self.value)
    def to(self, device):
        pass

class Kept(Flat):
    def save(self, folder):
        (folder / "value.txt").write_text(str(self.value))
    def load(self, folder):
        self.value = float((folder / "value.txt").read_text())

class Angry:
    def __init__(self, spec, grid):
        raise KeyError("checkpoint")

class Lame:
    def __init__(self, spec, grid): pass
    def run(self, request): pass

class Alone:
    def __init__(self): pass

number = 3
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "users_stages.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)


def spec(target: str) -> CustomStage:
    return CustomStage(name="own", role="base", target=target, options={"value": 0.5})


def test_it_is_built_with_its_options_and_runs() -> None:
    asked, grid = spec("users_stages:Flat"), Grid(1, (2, 2))
    request = Request(asked, grid, {}, Condition(("", "")), Draws(0, "own", (0, 1)))
    assert torch.equal(make_custom(asked, grid).run(request), torch.full((2, 1, 2, 2), 0.5))


def test_it_takes_up_what_it_saved(tmp_path: Path) -> None:
    asked, grid = spec("users_stages:Kept"), Grid(1, (2, 2))
    first = make_custom(asked, grid, tmp_path / "nothing-yet")
    first.value = 0.75
    first.save(tmp_path)
    assert make_custom(asked, grid, tmp_path).value == 0.75
    assert make_custom(asked, grid).value == 0.5


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("not_there:Flat", "stage 'own', target: cannot import 'not_there' .* PYTHONPATH"),
        ("users_stages:Round", "'users_stages' has no 'Round'"),
        ("users_stages:number", "users_stages:number is no class"),
        ("users_stages:Alone", r"cannot be built .* Its constructor takes \(spec, grid\)"),
        ("users_stages:Angry", r"cannot be built \(KeyError: 'checkpoint'\)"),
        ("users_stages:Lame", "is no stage: it has no to. Define run"),
    ],
)
def test_what_is_no_stage_is_refused(target: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        make_custom(spec(target), Grid(1, (2, 2)))
