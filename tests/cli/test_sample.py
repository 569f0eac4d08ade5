"""`dynaxx sample` on a small Gaussian cascade: files, facts, beginnings and ends, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_codecs import saved

from dynaxx.cli import run
from dynaxx.spec.bundled import bundled

Capture = pytest.CaptureFixture[str]
CASCADE = """
name: waves
condition: {text: {}}
stages:
  - {name: base, role: base, kind: gaussian, size: [16, 16], solver: {steps: 6}, out: {size: [8, 8]}}
  - name: bridge
    role: bridge
    kind: gaussian
    size: [16, 16]
    inputs: {low: {from: base, resize: fourier, noise: {train_std: [0.0, 0.5], std: 0.1}}}
    solver: {steps: 5}
    out: {scale: {hw: 2}}
"""


@pytest.fixture
def cascade(tmp_path: Path) -> str:
    file = tmp_path / "waves.yaml"
    file.write_text(CASCADE, encoding="utf-8")
    return str(file)


def pixels(path: Path | str) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image).astype(int)


def sample(capsys: Capture, *arguments: object) -> dict:
    assert run(["sample", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refuse(capsys: Capture, *arguments: object) -> tuple[int, str]:
    code = run(["sample", *map(str, arguments), "--json"])
    return code, json.loads(capsys.readouterr().out)["error"]["message"]


def test_files_and_their_facts(capsys: Capture, cascade: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = sample(capsys, cascade, "--prompt", "hill", "--prompt", "dale", "--num", 2, "--seed", 5, "--out", out)
    assert found["files"] == [str(out / f"{i:06d}.png") for i in range(4)]
    assert found["prompts"] == ["hill", "hill", "dale", "dale"]
    with Image.open(found["files"][2]) as image:
        assert image.size == (16, 16)
        assert image.text["dynaxx:prompt"] == "dale"
        assert image.text["dynaxx:seed"] == "5"
        assert image.text["dynaxx:id"] == "2"
        assert image.text["dynaxx:run_id"] == found["trace"]["run_id"]
        assert "bridge.low=0.1" in image.text["dynaxx:levels"]
    assert json.loads((out / "run.json").read_text(encoding="utf-8")) | {"notes": []} == found


def test_a_sample_is_the_same_in_any_batch(capsys: Capture, cascade: str, tmp_path: Path) -> None:
    together = sample(capsys, cascade, "--num", 5, "--out", tmp_path / "a")["files"]
    alone = sample(capsys, cascade, "--num", 5, "--batch", 1, "--out", tmp_path / "b")["files"]
    for one, other in zip(together, alone, strict=True):
        assert np.abs(pixels(one) - pixels(other)).max() <= 1
    other_seed = sample(capsys, cascade, "--num", 1, "--seed", 1, "--out", tmp_path / "c")["files"]
    assert np.abs(pixels(together[0]) - pixels(other_seed[0])).max() > 20


def test_on_several_devices(capsys: Capture, cascade: str, tmp_path: Path) -> None:
    alone, apart = tmp_path / "alone", tmp_path / "apart"
    sample(capsys, cascade, "--num", 6, "--out", alone)
    found = sample(capsys, cascade, "--num", 6, "--devices", "base=cpu:0", "--devices", "bridge=cpu:1", "--out", apart)
    assert all((pixels(alone / f"{i:06d}.png") == pixels(apart / f"{i:06d}.png")).all() for i in range(6))
    assert found["trace"]["spread"] == {"base": ["cpu:0"], "bridge": ["cpu:1"]}
    assert run(["sample", cascade, "--num", "6", "--devices", "cpu:0,cpu:1", "--out", str(apart)]) == 0
    said = capsys.readouterr().out
    assert "base on cpu:" in said
    assert "(by what they took when tried)" in said
    refused = refuse(capsys, cascade, "--devices", "cpu:0,nowhere", "--out", apart)
    assert refused[0] == 2
    assert "'nowhere' is no device" in refused[1]


def test_from_a_stage(capsys: Capture, cascade: str, tmp_path: Path) -> None:
    whole = sample(capsys, cascade, "--out", tmp_path / "a", "--keep-stages")
    base = tmp_path / "a/stages/base/000000.png"
    assert str(base) in whole["stage_files"]
    assert str(tmp_path / "a/stages/bridge/000000.low.png") in whole["stage_files"]
    late = sample(capsys, cascade, "--from-stage", "bridge", "--input", base, "--out", tmp_path / "b")
    assert [node["name"] for node in late["trace"]["nodes"]] == ["bridge"]
    assert 0 < pixels(base).min() <= pixels(base).max() < 255, "a clipped picture cannot bring the signal back"
    assert np.abs(pixels(whole["files"][0]) - pixels(late["files"][0])).max() <= 3


@pytest.mark.parametrize(("shape", "code"), [((3, 8, 8), 0), ((8, 8, 3), 1), ((3, 16, 16), 1)])
def test_from_an_array(capsys: Capture, cascade: str, tmp_path: Path, shape: tuple[int, ...], code: int) -> None:
    np.save(tmp_path / "low.npy", np.zeros(shape))
    options = ("--from-stage", "bridge", "--input", str(tmp_path / "low.npy"), "--out", str(tmp_path / "out"))
    assert run(["sample", cascade, *options]) == code
    assert ("3x8x8" in capsys.readouterr().err) == bool(code)


def test_until_a_stage(capsys: Capture, cascade: str, tmp_path: Path) -> None:
    found = sample(capsys, cascade, "--until-stage", "base", "--out", tmp_path / "out")
    assert pixels(found["files"][0]).shape == (8, 8, 3)


def test_settings(capsys: Capture, cascade: str, tmp_path: Path) -> None:
    settings = ("--set", "base.solver.steps=3", "--set", "bridge.inputs.low.noise.std=0.25")
    found = sample(capsys, cascade, *settings, "--out", tmp_path / "out")
    assert [node["steps"] for node in found["trace"]["nodes"]] == [3, 5]
    assert found["trace"]["nodes"][1]["std"] == {"low": 0.25}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--set", "base.solver.stepz=3"], 2, "steps"),
        (["--set", "base.solver.steps=none-such"], 2, "steps"),
        (["--until-stage", "brigde"], 2, "bridge"),
        (["--from-stage", "base", "--input", "x.png"], 2, "low input"),
        (["--from-stage", "bridge", "--input", "nowhere.png"], 1, "nowhere.png"),
        (["--input", "photo=x.png"], 2, "no such input"),
        (["--label", "3"], 2, "label"),
        (["--size", "8"], 2, "8"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_refusals(capsys: Capture, cascade: str, tmp_path: Path, arguments: list[str], code: int, said: str) -> None:
    found, message = refuse(capsys, cascade, "--out", tmp_path / "out", *arguments)
    assert (found, said in message) == (code, True), message
    assert not (tmp_path / "out").exists()


def test_no_such_cascade(capsys: Capture, tmp_path: Path) -> None:
    code, message = refuse(capsys, "emoji-exakt", "--out", tmp_path / "out")
    assert code == 2
    assert "Did you mean 'emoji-exact'?" in message


def test_out_is_a_file(capsys: Capture, cascade: str, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine", encoding="utf-8")
    code, message = refuse(capsys, cascade, "--out", tmp_path / "out")
    assert code == 1
    assert str(tmp_path / "out") in message
    assert (tmp_path / "out").read_text(encoding="utf-8") == "mine"


def test_a_place_that_cannot_be_written_to(capsys: Capture, cascade: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    code, message = refuse(capsys, cascade, "--out", tmp_path / "file" / "deep" / "out")
    assert code == 1
    assert "cannot be written to" in message


def test_fewer_samples_leave_no_older_ones(capsys: Capture, cascade: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    sample(capsys, cascade, "--num", 3, "--keep-stages", "--out", out)
    (out / "mine.png").write_bytes(b"mine")
    found = sample(capsys, cascade, "--num", 2, "--out", out)
    left = sorted(path.relative_to(out).as_posix() for path in out.rglob("*"))
    assert left == ["000000.png", "000001.png", "mine.png", "run.json"]
    assert len(found["files"]) == 2


def test_what_a_run_was_given_stays(capsys: Capture, cascade: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    sample(capsys, cascade, "--keep-stages", "--out", out)
    base = out / "stages" / "base" / "000000.png"
    sample(capsys, cascade, "--from-stage", "bridge", "--input", base, "--out", out)
    assert base.exists()
    assert not (out / "stages" / "bridge").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--num", "100000000"], 1, "--num"),
        (["--num", "99999999999"], 2, "--num"),
        (["--prompt", "a", "--num", "300000000", "--until-stage", "base"], 1, "GiB"),
    ],
    ids=["memory", "ids", "until"],
)
def test_too_much_is_refused_at_once(
    capsys: Capture, cascade: str, tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    found, message = refuse(capsys, cascade, *arguments, "--out", tmp_path / "out")
    assert (found, said in message) == (code, True), message


def test_too_large_a_size_is_refused_at_once(capsys: Capture, tmp_path: Path) -> None:
    code, message = refuse(capsys, "emoji-exact", "--size", "1000000x1000000", "--out", tmp_path / "out")
    assert (code, "--size" in message) == (1, True), message


def test_latents_are_no_pictures(capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "latent.yaml").write_text(LATENT, encoding="utf-8")
    found = sample(capsys, tmp_path / "latent.yaml", "--keep-stages", "--latents", "--out", tmp_path / "out")
    written = [*found["files"], *found["stage_files"]]
    assert len(written) == 4
    assert all(np.load(file).shape in ((4, 8, 8), (4, 16, 16)) for file in written)


def test_unless_they_are_decoded(capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "latent.yaml").write_text(LATENT, encoding="utf-8")
    code, message = refuse(capsys, tmp_path / "latent.yaml", "--out", tmp_path / "out")
    assert (code, "codecs.vae.load: 'some/vae' is no folder" in message, (tmp_path / "out").exists()) == (
        1,
        True,
        False,
    )
    saved("kl", tmp_path / "some" / "vae")
    found = sample(capsys, tmp_path / "latent.yaml", "--keep-stages", "--out", tmp_path / "out")
    names = [Path(file).name for file in [*found["files"], *found["stage_files"]]]
    assert names == [
        "000000.png", "000000.npy", "000000.decoded.png", "000000.npy", "000000.decoded.png", "000000.low.npy",
    ]  # fmt: skip
    assert pixels(found["files"][0]).shape == (32, 32, 3)
    assert (pixels(found["files"][0]) == pixels(tmp_path / "out/stages/up/000000.decoded.png")).all()


LATENT = """
name: latent
codecs: {vae: {load: some/vae, factor: 2}}
stages:
  - {name: base, role: base, kind: gaussian, size: [16, 16], std: 3.0, solver: {steps: 2},
     out: {channels: 4, size: [8, 8], space: vae}}
  - {name: up, role: bridge, kind: gaussian, size: [16, 16], std: 3.0, solver: {steps: 2},
     inputs: {low: {from: base, resize: fourier, noise: {std: 0.1}}}, out: {channels: 4, scale: 2, space: vae}}
"""


def test_words_that_are_taken_for_others_are_said_on_stderr(tmp_path: Path, capsys: Capture) -> None:
    asked = ("--until-stage", "base", "--set", "base.solver.steps=1", "--out", tmp_path / "out")
    assert run(["sample", "emoji-64", "--prompt", "A kitty, zqxvkj!", *map(str, asked), "--json"]) == 0
    shown = capsys.readouterr()
    assert "'kitty' is taken for 'cat'." in shown.err
    assert "'zqxvkj' is not understood." in shown.err


def test_a_picture_of_another_size_is_resized_and_said(capsys: Capture, cascade: str, tmp_path: Path) -> None:
    (tmp_path / "low").mkdir()
    for number, side in enumerate((8, 12, 12)):
        Image.new("RGB", (side, side)).save(tmp_path / "low" / f"{number}.png")
    asked = ("--prompt", "hill", "--num", 3, "--from-stage", "bridge", "--input", tmp_path / "low")
    assert run(["sample", cascade, *map(str, asked), "--out", str(tmp_path / "out"), "--json"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["notes"] == ["base: 12x12 was resized to 8x8."]
    assert "base: 12x12 was resized to 8x8." in shown.err.splitlines()


def test_without_a_prompt_it_is_said(capsys: Capture, cascade: str, tmp_path: Path) -> None:
    found = sample(capsys, cascade, "--out", tmp_path / "out")
    assert found["notes"] == ["No --prompt is given: samples are drawn unconditionally."]


def test_a_cap_that_was_not_held_is_said(capsys: Capture, cascade: str, tmp_path: Path) -> None:
    asked = (cascade, "--prompt", "hill", "--device", "cpu", "--out", tmp_path / "out")
    (said,) = sample(capsys, *asked, "--memory-cap", "1MiB")["notes"]
    assert "The cap of 1 MiB was not held" in said
    assert sample(capsys, *asked, "--memory-cap", "1000GiB")["notes"] == []
    (tmp_path / "prompts.txt").write_text("hill\n", encoding="utf-8")
    many = ["sample", cascade, "--prompts", str(tmp_path / "prompts.txt"), "--out", str(tmp_path / "many")]
    assert run([*many, "--device", "cpu", "--memory-cap", "1MiB"]) == 0
    assert said.split(":")[0] in capsys.readouterr().err


def test_many_samples_are_counted(capsys: Capture, cascade: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for count, lines in ((8, [str(out / f"{index:06d}.png") for index in range(8)]), (9, [f"9 pictures in {out}/"])):
        assert run(["sample", cascade, "--num", str(count), "--out", str(out)]) == 0
        assert capsys.readouterr().out.splitlines()[2:] == lines


def test_one_device_or_several(capsys: Capture, cascade: str, tmp_path: Path) -> None:
    code, message = refuse(capsys, cascade, "--device", "cpu", "--devices", "cpu:0,cpu:1", "--out", tmp_path / "out")
    assert (code, message) == (2, "--device: does not go with --devices. Leave out one of them.")
    code, message = refuse(capsys, cascade, "--device", "nowhere", "--out", tmp_path / "out")
    assert (code, "nowhere" in message) == (2, True)


MISSING = """
name: far
condition: {text: {}}
stages:
  - {name: base, role: base, kind: pipeline, load: no-one/nothing, out: {size: [16, 16]}}
"""


def test_downloads_are_off_and_the_option_is_named(capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "far.yaml").write_text(MISSING, encoding="utf-8")
    code, message = refuse(capsys, tmp_path / "far.yaml", "--prompt", "hill", "--out", tmp_path / "out")
    assert code == 1
    assert "'no-one/nothing' is not on this machine." in message
    assert "allow downloads: --download, Runtime(allow_download=True)." in message


@pytest.mark.parametrize("command", ["sample", "lens", "tune", "plan"])
def test_the_help_names_every_bundled_cascade(command: str, capsys: Capture) -> None:
    assert run([command, "--help"]) == 0
    said = "".join(capsys.readouterr().out.split())  # lines are broken at hyphens too
    assert all(name in said for name in bundled())


@pytest.mark.parametrize("command", ["sample", "lens", "tune", "train"])
def test_commands_that_run_stages_take_a_device_and_may_download(command: str, capsys: Capture) -> None:
    assert run([command, "--help"]) == 0
    said = capsys.readouterr().out
    assert "--device " in said
    assert "--download" in said
