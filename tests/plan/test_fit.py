"""Mismatches between pretrained pipelines are named from configurations alone, and sound cascades are not refused."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from planted_mismatches import EDITED, PLANTED
from sound_cascades import SOUND, Data, deepfloyd, sd_x4, sdxl
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


def test_arguments_of_a_class_that_is_named_need_no_files(tmp_path: Path) -> None:
    data = sd_x4()
    data["stages"][1] |= {"pipeline": "StableDiffusionUpscalePipeline", "call": {"guidance_scal": 9}}
    with pytest.raises(SpecError, match="Did you mean 'guidance_scale'"):
        refuse_mismatches(parse(data), tmp_path)


@pytest.fixture
def zoo(bare: Path, tmp_path: Path) -> Path:
    """The pipelines of a cascade in a folder, beside its file, with weights."""
    for name in ("sd", "x4"):
        shutil.copytree(bare / name, tmp_path / "pipes" / name)
        for config in (tmp_path / "pipes" / name).glob("*/config.json"):
            config.with_name("model.safetensors").write_bytes(b"")
    data = put(put(sd_x4(), "stages.0.load", "pipes/sd"), "stages.1.load", "pipes/x4")
    data["stages"][0]["call"] = {"num_inference_steps": 6}
    (tmp_path / "cascade.yaml").write_text(json.dumps(data))
    return tmp_path


def checked(zoo: Path, *more: str) -> tuple[int, Data]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = run(["check", str(zoo / "cascade.yaml"), "--json", *more])
    found: Data = json.loads(out.getvalue())
    return code, found


def test_whole_folders_miss_nothing(zoo: Path) -> None:
    code, found = checked(zoo)
    assert (code, found["missing"]) == (0, [])


def test_a_folder_that_is_not_there_is_said_with_the_one_that_may_be_meant(
    zoo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (zoo / "pipes" / "x4").rename(zoo / "pipes" / "x5")
    code, found = checked(zoo)
    assert code == 0
    (said,) = found["missing"]
    assert said.startswith("up: 'pipes/x4' is no folder beside the file, and is not on this machine. ")
    assert "Did you mean 'pipes/x5'?" in said
    assert run(["check", str(zoo / "cascade.yaml")]) == 0
    shown = capsys.readouterr().out
    assert "sound as far as its files are here" in shown
    assert said in shown


def test_a_folder_without_an_index_is_said(zoo: Path) -> None:
    (zoo / "pipes" / "x4" / "model_index.json").unlink()
    assert checked(zoo)[1]["missing"] == [
        "up: 'pipes/x4' holds no model_index.json. Name a folder that diffusers wrote."
    ]


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
def test_a_part_without_its_configuration_is_refused(zoo: Path, part: str) -> None:
    (zoo / "pipes" / "x4" / part / "config.json").unlink()
    code, found = checked(zoo)
    assert code == 2
    assert f"{part}: the cascade has a folder without a configuration" in found["error"]["message"]


def test_a_part_that_is_not_there_is_refused_and_encoders_may_be_elsewhere(zoo: Path) -> None:
    shutil.rmtree(zoo / "pipes" / "x4" / "text_encoder")
    assert checked(zoo)[0] == 0
    shutil.rmtree(zoo / "pipes" / "x4" / "scheduler")
    assert checked(zoo)[0] == 2


def test_weights_that_are_missing_are_said_and_refuse_nothing(zoo: Path) -> None:
    (zoo / "pipes" / "x4" / "unet" / "model.safetensors").unlink()
    code, found = checked(zoo, "--contracts")
    assert code == 0
    fix = "It can be checked and planned, and not run: put the weights there."
    assert found["missing"] == [f"up: pipes/x4/unet holds no safetensors. {fix}"]


def test_the_command_says_steps_and_what_schedulers_and_encoders_state(zoo: Path) -> None:
    config = zoo / "pipes" / "x4" / "scheduler" / "scheduler_config.json"
    stated = {"prediction_type": "v_prediction", "beta_schedule": "scaled_linear", "beta_start": 1e-4, "beta_end": 0.02}
    config.write_text(json.dumps(json.loads(config.read_text()) | stated | {"num_train_timesteps": 1000}))
    found = checked(zoo, "--contracts")[1]
    assert [node["steps"] for node in found["nodes"]] == [6, None]
    up = found["contracts"]["up"]
    assert up["prediction"] == "v"
    assert up["process"] == {"kind": "scaled-linear", "first": 1e-4, "last": 0.02, "steps": 1000}
    width = json.loads((zoo / "pipes" / "x4" / "text_encoder" / "config.json").read_text())["hidden_size"]
    assert (up["condition"]["text_encoder"], up["condition"]["text_width"]) == ("pipes/x4/text_encoder", width)


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
