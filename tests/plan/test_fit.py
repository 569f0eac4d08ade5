"""Mismatches between pretrained pipelines are named from configurations alone, and sound cascades are not refused."""

from __future__ import annotations

import copy
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from planted_mismatches import EDITED, PLANTED
from sound_cascades import SOUND, Data, deepfloyd, sdxl
from tiny_pipelines import BUILDERS, saved

from dynaxx.cli import run
from dynaxx.errors import SpecError
from dynaxx.plan.fit.check import agreements, mismatches, refuse_mismatches
from dynaxx.spec.files import parse


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny pipelines without a byte of weights."""
    root = tmp_path_factory.mktemp("bare")
    for name in BUILDERS:
        for file in [*saved(name, root).rglob("*.safetensors"), *(root / name).rglob("*.bin")]:
            file.unlink()
    assert not list(root.rglob("*.safetensors"))
    return root


@pytest.mark.parametrize("make", SOUND, ids=lambda make: make.__name__)
def test_sound_cascades_are_not_refused(bare: Path, make: Callable[[], Data]) -> None:
    found = agreements(parse(make()), bare)
    assert mismatches(found) == []
    assert sum(agreement.verdict == "fits" for agreement in found) >= 4


def put(data: Data, path: str, value: Any) -> Data:
    *folders, last = path.split(".")
    here: Any = data
    for part in folders:
        here = here[int(part)] if part.isdigit() else here.setdefault(part, {})
    if value is None:
        here.pop(last)
    else:
        here[last] = value
    return data


@pytest.mark.parametrize(("make", "changes", "says"), [row[1:] for row in PLANTED], ids=[row[0] for row in PLANTED])
def test_planted_mismatches_are_named(bare: Path, make: Callable[[], Data], changes: Data, says: str) -> None:
    data = make()
    for path, value in changes.items():
        put(data, path, copy.deepcopy(value))
    spec = parse(data)
    with pytest.raises(SpecError) as caught:
        refuse_mismatches(spec, bare)
    assert re.search(says, str(caught.value)), str(caught.value)


@pytest.mark.parametrize(("make", "file", "edit", "says"), [row[1:] for row in EDITED], ids=[row[0] for row in EDITED])
def test_folders_that_do_not_fit_are_named(
    bare: Path, tmp_path: Path, make: Callable[[], Data], file: str, edit: Data, says: str
) -> None:
    shutil.copytree(bare, tmp_path / "zoo")
    config = tmp_path / "zoo" / file
    config.write_text(json.dumps(json.loads(config.read_text()) | edit))
    with pytest.raises(SpecError, match=says):
        refuse_mismatches(parse(make()), tmp_path / "zoo")


def test_what_nobody_states_is_unknown_and_refuses_nothing(bare: Path) -> None:
    data = put(deepfloyd(), "stages.2.load", "nobody/has-this")
    found = agreements(parse(data), bare)
    refuse_mismatches(parse(data), bare)
    assert [a.verdict for a in found if a.edge == "three"] == ["unknown"]


def test_the_command_prints_the_table_of_edges(
    bare: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(bare)
    file = bare / "cascade.yaml"
    file.write_text(json.dumps(put(sdxl(), "codecs.sdxl.scale", 0.5)))
    assert run(["check", str(file)]) == 2
    assert "Set `codecs.sdxl.scale: 0.13025`" in capsys.readouterr().err
    assert run(["check", str(file), "--contracts", "--json"]) == 2
    edges = json.loads(capsys.readouterr().out)["edges"]
    wrong = [edge for edge in edges if edge["verdict"] == "mismatch"]
    assert {(edge["edge"], edge["about"]) for edge in wrong} == {
        ("base", "scale of the latents"), ("base -> refiner", "scale of the latents")
    }  # fmt: skip
