"""`dynaxx plan --insert`: the file checks, is planned before and after, and what is not touched keeps its weights."""

from __future__ import annotations

import json
import os

import pytest

from dynaxx.cli import run
from dynaxx.engine.cascade import Cascade
from dynaxx.spec.files import load, parse

SMALL = {"width": 8, "mults": [1, 2], "blocks": 1, "attention": []}


@pytest.fixture
def folder(tmp_path):
    """A saved cascade whose second stage jumps by 4."""
    low = {"low": {"from": "base", "noise": {"train_std": [0.0, 0.6], "std": 0.1}}}
    spec = parse({"name": "far", "stages": [
        {"name": "base", "role": "base", "network": SMALL, "out": {"size": [8, 8]}},
        {"name": "refine", "role": "refine", "network": SMALL, "inputs": low, "out": {"scale": 4}},
    ]})  # fmt: skip
    return Cascade.from_spec(spec, fresh=True).save_pretrained(tmp_path / "far")


def test_the_longer_cascade_is_written_and_checks(folder, tmp_path, capsys):
    out = tmp_path / "longer" / "cascade.yaml"
    out.parent.mkdir()
    assert run(["plan", str(folder), "--insert", "--out", str(out), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["inserted"], said["after"], said["before"]) == ("bridge", "base", "refine")
    assert said["then"]["grids"] == ["3x8x8", "3x16x16", "3x32x32"]
    assert said["then"]["flops"] > said["now"]["flops"]
    longer = load(out)
    base, bridge, refine = longer.stages
    assert os.path.samefile(out.parent / base.weights, folder / "stages" / "base")
    assert (bridge.weights, refine.weights) == (None, None)
    assert run(["check", str(out), "--json"]) == 0
    capsys.readouterr()
    assert run(["plan", str(folder), "--insert", "--out", str(out)]) == 2
    assert "is there already" in capsys.readouterr().err


def test_where_it_would_not_pay_it_says_so(folder, tmp_path, capsys):
    out = tmp_path / "longer.yaml"
    assert run(["plan", "emoji-64", "--insert", "--out", str(out)]) == 2
    assert "add steps instead" in capsys.readouterr().err
    assert not out.exists()
