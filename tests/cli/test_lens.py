"""`dynaxx lens` in real processes: reports, caches, remedies, and refusals."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from tests.two_stages import dynaxx, two_stages

from dynaxx.cli import run
from dynaxx.engine.cascade import Cascade
from dynaxx.lens.open import Options, look


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "two.yaml"
    path.write_text(two_stages(6))
    return path


def lens(*arguments):
    return dynaxx("lens", *arguments)


def test_a_look_is_written_answered_and_kept(file, tmp_path):
    out = tmp_path / "report"
    first = lens(file, "--out", out, "--num", 16, "--json")
    assert first.returncode == 0, first.stderr
    answer = json.loads(first.stdout)
    assert answer["verdict"]["level"] == "healthy"
    assert answer["schema"] == json.loads((out / "findings.json").read_text())["schema"]
    assert "evaluations, about" in first.stderr
    assert "consistency: from what the others evaluate" in first.stderr
    assert " 0 evaluations" not in first.stderr
    assert "run anew" not in first.stderr
    second = json.loads(lens(file, "--out", out, "--num", 16, "--json").stdout)
    assert all(probe["cached"] for probe in second["method"]["probes"] if not probe["left_out"])
    assert second["findings"] == answer["findings"]


def test_what_cannot_be_meant_is_refused(file, tmp_path):
    for arguments, said in (
        (["--budget", "some"], "quick, full, or a number"),
        (["--data", tmp_path, "--prompts", file], "one of them"),
    ):
        done = lens(file, "--out", tmp_path / "r", *arguments)
        assert done.returncode == 2
        assert said in done.stderr
    empty = tmp_path / "none.txt"
    empty.write_text("\n\n")
    done = lens(file, "--out", tmp_path / "r", "--prompts", empty)
    assert done.returncode == 1
    assert "holds no prompt" in done.stderr


MASKED = """
name: masked
condition: {text: {}}
inputs: {image: {size: [8, 8]}, mask: {channels: 1, size: [8, 8]}}
stages:
  - {name: base, role: base, kind: empirical, data: {kind: bundled}, out: {size: [8, 8]}, solver: {steps: 2}}
  - name: bridge
    role: bridge
    kind: empirical
    data: {kind: bundled}
    inputs: {low: {from: [input.image, base], merge: mask, mask: input.mask, noise: {train_std: [0.0, 0.6], std: 0.1}}}
    solver: {steps: 2}
    out: {scale: 2}
"""


@pytest.fixture
def masked(tmp_path):
    """A cascade that takes a picture and a mask, and three masks in a folder."""
    (tmp_path / "masks").mkdir()
    x = np.random.default_rng(0).choice(np.float32([-1, 1]), (3, 1, 8, 8))
    for i in range(3):
        np.save(tmp_path / "masks" / f"{i}.npy", x[i])
    (tmp_path / "masked.yaml").write_text(MASKED)
    return tmp_path / "masked.yaml", torch.from_numpy(x)


def ask(capsys, *arguments):
    code = run(["lens", *map(str, arguments), "--num", "8", "--no-cache", "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_the_users_own_inputs_are_looked_at_as_they_are_in_python(capsys, masked, tmp_path):
    """A mask of three that come in turns; pictures stand in from the data."""
    file, masks = masked
    code, found = ask(capsys, file, "--input", f"mask={tmp_path / 'masks'}", "--out", tmp_path / "out")
    assert code == 0
    cascade = Cascade.from_pretrained(file)
    view = look(cascade, given={"input.mask": masks}, options=Options(num=8))
    assert torch.equal(view.bench.taps.given["input.mask"], masks[[0, 1, 2, 0, 1, 2, 0, 1]])
    finest = max(view.bench.reference.grids.values(), key=torch.Tensor.numel)
    assert view.bench.taps.given["input.image"].shape == (8, 3, 8, 8)
    assert view.bench.taps.given["input.image"].mean().item() == pytest.approx(finest.mean().item(), abs=1e-5)
    list(view.steps())
    here = view.lensed().report.to_json()
    assert named(found) == named(here)
    assert named(found) != named(ask(capsys, file, "--input", f"mask={tmp_path / 'masks/0.npy'}", "--out", tmp_path)[1])


def named(report):
    return {(f["probe"], f["stage"], f["name"]): f["value"] for f in report["findings"]}


def test_inputs_that_cannot_be_meant_are_refused(capsys, masked, tmp_path):
    file, _ = masked
    (tmp_path / "none").mkdir()
    np.save(tmp_path / "large.npy", np.zeros((1, 9, 9), np.float32))
    for given, code, said in (
        ((), 2, "--input mask=FILE"),
        (("--input", "mask.npy"), 2, "NAME=FILE"),
        (("--input", "masks=x.npy"), 2, "It has: image, mask"),
        (("--input", "mask=not-there.npy"), 1, "is not there"),
        (("--input", f"mask={tmp_path / 'none'}"), 1, "holds no picture and no array"),
        (("--input", f"mask={tmp_path / 'large.npy'}"), 1, "1x8x8"),
    ):
        ended, found = ask(capsys, file, *given, "--out", tmp_path / "out")
        assert (ended, said in found["error"]["message"]) == (code, True), found
        assert not (tmp_path / "out").exists()
