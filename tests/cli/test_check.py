"""`dynaxx check`: sound files pass, unsound ones say what and where, and none of it is slow."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
import yaml

import dynaxx
from dynaxx.cli import run
from dynaxx.noise.units import UNITS, std_of

Capture = pytest.CaptureFixture[str]
BUNDLED = Path(str(files("dynaxx"))) / "bundled" / "emoji-exact.yaml"


def test_sound(capsys: Capture) -> None:
    assert run(["check", str(BUNDLED)]) == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("sound", "base", "bridge", "refine", "3x64x64", "truncated"))


def test_json_is_one_object(capsys: Capture) -> None:
    assert run(["check", str(BUNDLED), "--json", "--contracts"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["name"] == "emoji-exact"
    assert [node["grid_out"] for node in found["nodes"]] == ["3x16x16", "3x32x32", "3x64x64"]
    assert set(found["contracts"]) == {"base", "bridge", "refine"}


@pytest.mark.parametrize(
    ("text", "where", "word"),
    [
        ("name: x\nstages: []", "stages", "at least"),
        ("name: x\nstages: [{name: a, role: base, solvr: 3}]", "solvr", "solver"),
        ("name: x\nstages: [{name: a, role: base, out: {size: [8]}, from: b}]", "b", "b"),
        ("{", "broken.yaml", "YAML"),
    ],
    ids=["no stages", "unknown key", "unknown parent", "no yaml"],
)
def test_unsound(capsys: Capture, tmp_path: Path, text: str, where: str, word: str) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text(text, encoding="utf-8")
    assert run(["check", str(file)]) == 2
    err = capsys.readouterr().err
    assert where in err
    assert word in err
    assert "Traceback" not in err


def test_missing_file(capsys: Capture, tmp_path: Path) -> None:
    assert run(["check", str(tmp_path / "none.yaml"), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["kind"] == "SpecError"


def test_the_schema_accepts_what_we_accept(capsys: Capture) -> None:
    assert run(["check", "--schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    data = yaml.safe_load(BUNDLED.read_text(encoding="utf-8"))
    jsonschema.validate(data, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**data, "stagez": 1}, schema)


def test_level_in_every_unit(capsys: Capture) -> None:
    assert run(["check", "--level", "0.427", "--json"]) == 0
    units = json.loads(capsys.readouterr().out)["units"]
    assert len(units) > 3
    assert all(std_of(name, value) == pytest.approx(0.427, rel=1e-6) for name, value in units.items())
    assert run(["check", "--level", "0.427"]) == 0
    assert "if-noise-level" in capsys.readouterr().out


def test_level_zero_is_json(capsys: Capture) -> None:
    assert run(["check", "--level", "0", "--json"]) == 0
    found = json.loads(capsys.readouterr().out, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert (found["units"]["logsnr"], found["units"]["edm-sigma"]) == (None, 0)


def test_units_that_cannot_say_a_level_are_listed_too(capsys: Capture) -> None:
    assert run(["check", "--level", "5000", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["units"]) | set(found["out_of_reach"]) == set(UNITS)
    assert "x4-noise-level" in found["out_of_reach"]
    assert all(not least <= 5000 <= most for least, most in found["out_of_reach"].values())
    assert run(["check", "--level", "5000"]) == 0
    assert "out of reach: std" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [[str(BUNDLED), "--level", "1"], [str(BUNDLED), "--schema"], ["--level", "nan"], ["--level", "inf"]]
)
def test_what_cannot_be_asked(capsys: Capture, arguments: list[str]) -> None:
    assert run(["check", *arguments]) == 2
    assert "--" in capsys.readouterr().err


def test_a_size_for_files_that_fix_none(capsys: Capture, tmp_path: Path) -> None:
    file = tmp_path / "open.yaml"
    up = "{name: up, role: bridge, from: base, out: {scale: 2}}"
    file.write_text(f"{{name: open, stages: [{{name: base, role: base}}, {up}]}}", encoding="utf-8")
    assert run(["check", str(file), "--size", "8x12", "--json", "--contracts"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [node["grid_out"] for node in found["nodes"]] == ["3x8x12", "3x16x24"]
    assert found["contracts"]["up"]["out"]["size"] == [16, 24]
    assert run(["check", str(file), "--json"]) == 0
    assert [node["grid_out"] for node in json.loads(capsys.readouterr().out)["nodes"]] == ["?", "?"]


def processor_time_s() -> float:
    """What our children used so far: the time they take on an idle machine, whatever else runs on this one."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize(
    ("arguments", "limit_s"), [(["--help"], 0.4), (["check", str(BUNDLED)], 1.0)], ids=["help", "check"]
)
def test_fast_and_without_torch(arguments: list[str], limit_s: float) -> None:
    code = (
        "import sys; from dynaxx.cli import run; code = run(sys.argv[1:]); "
        "sys.exit(code or (99 if {'torch', 'diffusers', 'numpy'} & set(sys.modules) else 0))"
    )
    times = []
    for _ in range(3):  # the quickest of a few
        began = processor_time_s()
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
        times.append(processor_time_s() - began)
        assert done.returncode == 0, done.stderr or "something heavy was imported"
    assert min(times) <= limit_s


def test_front_door_reads_the_same(tmp_path: Path) -> None:
    spec = dynaxx.load(BUNDLED)
    (tmp_path / "cascade.yaml").write_text(dynaxx.dump(spec), encoding="utf-8")
    assert dynaxx.load(tmp_path) == spec


def test_a_level_handed_over_is_shown(tmp_path, capsys):
    file = tmp_path / "hand.yaml"
    file.write_text(
        "name: hand\nstages:\n"
        "  - {name: base, role: base, kind: gaussian, size: [8, 8], out: {channels: 1, size: [8, 8]}}\n"
        "  - {name: refine, role: refine, kind: gaussian, size: [8, 8], out: {channels: 1},\n"
        "     inputs: {low: {from: base, via: start, hand: noisy, hand_std: 0.75}}}\n"
    )
    assert run(["check", str(file)]) == 0
    assert "low 0.75" in capsys.readouterr().out
