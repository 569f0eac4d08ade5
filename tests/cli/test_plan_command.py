"""`dynaxx plan`: a table for people, the same for machines."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dynaxx.cli import run
from dynaxx.plan.time.clock import ProbedClock
from dynaxx.plan.time.halves import Half, Ratio
from dynaxx.plan.time.transfer import Transfer
from dynaxx.plan.unpaced import Unpaced

TEXT = """
name: two
stages:
  - {name: base, role: base, network: {width: 16, mults: [1, 2], blocks: 1, attention: []}, out: {size: [8, 8]}}
  - {name: far, role: bridge, kind: pipeline, load: some/where, from: base, out: {scale: 2}}
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DYNAXX_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "two.yaml"
    path.write_text(TEXT, encoding="utf-8")
    return str(path)


def test_the_table_names_every_stage_and_what_is_not_known(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", file, "--num", "2"]) == 0
    said = capsys.readouterr().out
    assert "base" in said
    assert "3x16x16" in said
    assert "nothing is known of 'some/where': it is not on this machine" in " ".join(said.split())


def test_json_holds_the_same(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", file, "--set", "base.solver.steps=5", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    base, far = found["nodes"]
    assert base["evaluations"] == 5
    assert base["flops"] > 5 * 2 * 64 * base["parameters"] / 8
    assert far["unknown"]
    assert found["training"][0]["name"] == "base"


def test_a_memory_cap_is_read_as_sample_reads_it(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", file, "--memory-cap", "100kB", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["memory_cap_bytes"], found["placement"], found["streamed"]) == (100_000, "one-at-a-time", ["base"])
    assert found["events"][:2] == ["encode", "stream base"]
    assert run(["plan", file, "--memory-cap", "100kB"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "memory cap 97.7 KiB: does not fit." in said
    assert run(["plan", file, "--memory-cap", "much"]) == 2


OURS = """
name: ours
stages:
  - {name: base, role: base, network: {width: 16, mults: [1, 2], blocks: 1, attention: []}, out: {size: [8, 8]}}
  - {name: up, role: bridge, network: {width: 16, mults: [1], blocks: 1, attention: []}, from: base, out: {scale: 2}}
"""


@pytest.fixture
def ours(tmp_path: Path, file: str) -> str:
    path = tmp_path / "ours.yaml"
    path.write_text(OURS, encoding="utf-8")
    return str(path)


def test_devices_are_read_as_sample_reads_them(ours: str, capsys: pytest.CaptureFixture[str]) -> None:
    named = ["--devices", "base=cuda:0", "--devices", "up=cuda:1,cuda:2"]
    assert run(["plan", ours, *named, "--device", "t4", "--samples", "12", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["placement"], found["batch"]) == ("spread", 2)
    assert found["spread"]["stages"] == {"base": ["cuda:0"], "up": ["cuda:1", "cuda:2"]}
    assert found["run"]["peak_bytes"] == max(round(one["peak_bytes"]) for one in found["spread"]["devices"])
    assert run(["plan", ours, "--devices", "cuda:0,cuda:1", "--device", "t4", "--samples", "64"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "where all devices work at once, the bottleneck." in said
    assert "of answers." in said
    assert "not in the pace" not in said
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "dynaxx.plan.spread.unpaced", lambda *given: Unpaced({"up": 2**30}, {"cuda:0": "A", "cuda:1": "B"})
        )
        assert run(["plan", ours, "--devices", "cuda:0,cuda:1", "--device", "t4", "--samples", "64"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "not in the pace: blocks that are streamed, 1 GiB of up in a run." in said
    assert "not in the pace: cuda:0 (A), cuda:1 (B) are unlike, and timed alike." in said
    assert run(["plan", ours, "--devices", "base=cpu:0", "--devices", "up=cpu:1"]) == 0
    assert "held by workers on the CPU." in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["OURS", "--devices", "bse=cuda:0", "--device", "t4"], "Did you mean 'base'"),
        (["OURS", "--devices", "auto"], "Name them: cuda:0,cuda:1."),
        (["OURS", "--devices", "cuda:0,cuda:1"], "Name the devices of each stage (base=cuda:0)"),
        (["OURS", "--devices", "cuda:0,nowhere", "--device", "t4"], "'nowhere' is no device"),
        (["OURS", "--devices", "base=cpu:0", "--devices", "up=cuda:0"], "names cpu, cuda for a plan on cpu"),
        (["OURS", "--devices", "cpu:0,cpu:1", "--device", "t4"], "names cpu for a plan on t4"),
        (["OURS", "--devices", "cuda:0,cuda:1", "--device", "cpu"], "names cuda for a plan on cpu"),
        (["OURS", "--devices", "cuda:0,cuda:1", "--device", "xpu"], "names cuda for a plan on xpu"),
        (["OURS", "--devices", "a=tpu:0"], "Name such as cpu:0, cuda:0, xpu:0, mps:0"),
        (["OURS", "--device", "cpu:x"], "'cpu:x' is no device. Name another, or none: this machine has cpu"),
        (["OURS", "--device", "tpu"], "'tpu' is not known. Known: cpu, cuda, xpu, mps,"),
        (["--calibrate", "--device", "cpu:x"], "'cpu:x' is no device"),
        (["--calibrate", "--device", "h100-sxm"], "'h100-sxm' is no device. Name another, or none"),
        (["--target", "64x64", "--device", "cpu:x"], "'cpu:x' is no device"),
        (["--pretrained", "sdxl", "--device", "cpu:x"], "'cpu:x' is no device"),
        (["OURS", "--devices", "cuda:0,cuda:1", "--device", "t4", "--placement", "one-at-a-time"], "Leave out one"),
        (["--target", "64x64", "--devices", "cuda:0,cuda:1"], "how many train together"),
        (["--target", "64x64", "--devices", "65"], "how many train together"),
    ],
)
def test_devices_that_cannot_be_meant(
    ours: str, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    assert run(["plan", *(ours if option == "OURS" else option for option in options)]) == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_a_wrong_setting_is_refused(file: str) -> None:
    assert run(["plan", file, "--set", "base.solver.stops=5"]) == 2


@pytest.mark.parametrize(
    ("options", "pair"),
    [
        (["FILE", "--insert", "--page", "p.html"], ("--insert", "--page")),
        (["FILE", "--insert", "--set", "base.solver.steps=5"], ("--insert", "--set")),
        (["FILE", "--insert", "--samples", "1"], ("--insert", "--samples")),
        (["FILE", "--insert", "--batch", "64"], ("--insert", "--batch")),
        (["FILE", "--insert", "--placement", "resident"], ("--insert", "--placement")),
        (["FILE", "--insert", "--memory-cap", "1GiB"], ("--insert", "--memory-cap")),
        (["FILE", "--insert", "--latency", "1"], ("--insert", "--latency")),
        (["FILE", "--target", "64x64"], ("--target", "FILE")),
        (["--target", "64x64", "--insert"], ("--target", "--insert")),
        (["--target", "64x64", "--size", "8x8"], ("--target", "--size")),
        (["--pretrained", "sdxl", "--page", "p.html"], ("--pretrained", "--page")),
        (["--pretrained", "sdxl", "--insert"], ("--pretrained", "--insert")),
        (["--pretrained", "sdxl", "--calibrate"], ("--pretrained", "--calibrate")),
        (["--prices", "--out", "o.yaml"], ("--prices", "--out")),
        (["FILE", "--out", "o.yaml"], ("FILE", "--out")),
        (["FILE", "--train-hours", "1"], ("FILE", "--train-hours")),
        (["--calibrate", "--page", "p.html"], ("--calibrate", "--page")),
    ],
)
def test_options_that_would_be_dropped_are_refused(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], options: list[str],
    pair: tuple[str, str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert run(["plan", *(file if option == "FILE" else option for option in options)]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert f"{pair[0]}: does not go with {pair[1]}." in said
    assert sorted(tmp_path.rglob("*")) == before


def test_the_way_out_names_what_takes_the_option(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", file, "--out", "o.yaml"]) == 2
    assert "Give --target or --insert too, or leave out --out." in " ".join(capsys.readouterr().err.split())


def test_a_calibration_says_how_sure_it_is_and_how_weights_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    half = Half({"mm": Ratio(np.zeros((1, 3)), np.zeros(1))}, spread=0.3)
    rates = Transfer(2**34, None, 2**31, 2**35)
    clock = ProbedClock("a machine", {}, halves={"bfloat16": half}, transfer=rates)
    monkeypatch.setenv("DYNAXX_CACHE", str(tmp_path))
    monkeypatch.setattr("dynaxx.plan.time.calibrate.calibrate", lambda device, on_probe: clock)
    assert run(["plan", "--calibrate"]) == 0
    said = capsys.readouterr().out
    assert "bfloat16 within 49%" in said
    assert "weights: 16 GiB/s mapped, 2 GiB/s from the disk" in said
    assert run(["plan", "--calibrate", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["spread"]["bfloat16"] == 0.3
    assert found["transfer"]["disk_bytes_s"] == 2**31
    assert found["kept"]
