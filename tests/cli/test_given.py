"""The user's own files: inputs by name, fields, arrays in and out of range, and what is said where one is missing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dynaxx.cli import run

Capture = pytest.CaptureFixture[str]
BASE = "{name: base, role: base, kind: gaussian, size: [16, 16], solver: {steps: 2}, out: {size: [8, 8]}}"
UP = """
name: up
inputs: {low-res: {size: [8, 8]}}
stages:
  - {name: up, role: bridge, kind: gaussian, size: [16, 16], solver: {steps: 2}, out: {scale: 2},
     inputs: {low: {from: input.low-res, resize: fourier, noise: {std: 0.1}}}}
"""
ZEROS = np.zeros((3, 8, 8), np.float32)


@pytest.fixture
def up(tmp_path: Path) -> str:
    (tmp_path / "up.yaml").write_text(UP, encoding="utf-8")
    return str(tmp_path / "up.yaml")


@pytest.fixture
def terrain(tmp_path: Path) -> str:
    text = f"name: terrain\ncondition: {{field: {{channels: 2}}}}\nstages: [{BASE}]"
    (tmp_path / "terrain.yaml").write_text(text, encoding="utf-8")
    return str(tmp_path / "terrain.yaml")


def ask(capsys: Capture, tmp_path: Path, *arguments: object) -> tuple[int, dict]:
    code = run(["sample", *map(str, arguments), "--out", str(tmp_path / "out"), "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("name", ["low.npy", "LOW.NPY", "low.npz", "low.png"])
def test_an_input_with_a_dash(capsys: Capture, up: str, tmp_path: Path, name: str) -> None:
    with (tmp_path / name).open("wb") as file:
        if name.endswith(".npz"):
            np.savez(file, x=ZEROS)
        elif name.endswith(".png"):
            Image.new("RGB", (20, 20)).save(file, format="PNG")
        else:
            np.save(file, ZEROS)
    code, found = ask(capsys, tmp_path, up, "--input", f"low-res={tmp_path / name}")
    assert (code, len(found["files"])) == (0, 1)


def test_the_files_of_a_folder_are_given_in_turns(capsys: Capture, up: str, tmp_path: Path) -> None:
    """What lies in the folder that is written to is read first, and spared."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out/notes.txt").write_text("no signal")
    for name, value in (("b.npy", 0.5), ("a.npy", -0.5)):
        np.save(tmp_path / "out" / name, ZEROS + value)
    code, _ = ask(capsys, tmp_path, up, "--input", f"low-res={tmp_path / 'out'}", "--num", 3, "--keep-stages")
    assert code == 0
    shown = [np.asarray(Image.open(file)) for file in sorted((tmp_path / "out/stages/up").glob("*.low.png"))]
    means = [float(x.mean()) for x in shown]
    assert means[0] < 127 < means[1]
    assert means[2] == pytest.approx(means[0], abs=10)
    assert (tmp_path / "out/b.npy").is_file()


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.full((3, 8, 8), np.nan), "NaN"),
        (np.full((3, 8, 8), np.inf), "infinite"),
        (np.full((3, 8, 8), 200, np.uint8), "127.5"),
        (np.full((3, 8, 8), -30.0), "[-1, 1]"),
        (np.zeros((3, 8, 8), complex), "complex"),
        (np.array(["a"]), "not numbers"),
        (np.zeros((0, 8, 8)), "no elements"),
        (np.float32(0), "3x8x8"),
    ],
    ids=["nan", "inf", "bytes", "far", "complex", "text", "empty", "number"],
)
def test_arrays_that_are_no_signal(capsys: Capture, up: str, tmp_path: Path, array: np.ndarray, said: str) -> None:
    np.save(tmp_path / "x.npy", array)
    code, found = ask(capsys, tmp_path, up, "--input", f"low-res={tmp_path / 'x.npy'}")
    assert code == 1
    assert said in found["error"]["message"]
    assert str(tmp_path / "x.npy") in found["error"]["message"]
    assert not (tmp_path / "out").exists()


def test_several_arrays_in_a_file(capsys: Capture, up: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", first=ZEROS, second=ZEROS)
    code, found = ask(capsys, tmp_path, up, "--input", f"low-res={tmp_path / 'x.npz'}")
    assert code == 1
    assert "2 arrays (first, second)" in found["error"]["message"]


def test_a_missing_input_is_asked_for_as_the_command_takes_it(capsys: Capture, up: str, tmp_path: Path) -> None:
    code, found = ask(capsys, tmp_path, up)
    assert code == 2
    assert "--input low-res=FILE" in found["error"]["fix"]


@pytest.mark.parametrize("size", [(8, 8), (20, 12)])
def test_a_field(capsys: Capture, terrain: str, tmp_path: Path, size: tuple[int, ...]) -> None:
    np.save(tmp_path / "field.npy", 100 * np.ones((2, *size)))
    code, found = ask(capsys, tmp_path, terrain, "--field", tmp_path / "field.npy", "--num", 3)
    assert (code, len(found["files"])) == (0, 3)


def test_a_field_with_other_channels(capsys: Capture, terrain: str, tmp_path: Path) -> None:
    np.save(tmp_path / "field.npy", ZEROS)
    code, found = ask(capsys, tmp_path, terrain, "--field", tmp_path / "field.npy")
    assert code == 1
    assert "(2, *size)" in found["error"]["message"]


def test_a_field_missing_or_untaken(capsys: Capture, terrain: str, up: str, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", ZEROS)
    for arguments in ([terrain], [up, "--input", f"low-res={tmp_path / 'x.npy'}", "--field", tmp_path / "x.npy"]):
        code, found = ask(capsys, tmp_path, *arguments)
        assert code == 2
        assert found["error"]["where"] == "--field"
