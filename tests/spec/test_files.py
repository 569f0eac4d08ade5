"""Cascade files: what is read, and what is written back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import spec_examples as examples

from dynaxx.spec import dump, load, loads, parse


def test_the_written_form_is_short_and_keeps_kinds() -> None:
    data = examples.linear()
    data["stages"][1] |= {"kind": "gaussian", "size": [64, 64]}
    assert dump(parse(data)) == (
        "version: 1\n"
        "name: linear\n"
        "stages:\n"
        "- name: base\n"
        "  role: base\n"
        "  kind: diffusion\n"
        "  out: {size: [16, 16]}\n"
        "- name: bridge\n"
        "  role: bridge\n"
        "  kind: gaussian\n"
        "  inputs: {low: {from: base, noise: {train_std: [0.0, 0.6], std: 0.1}}}\n"
        "  out: {scale: 2.0}\n"
        "  size: [64, 64]\n"
        "- name: refine\n"
        "  role: refine\n"
        "  kind: diffusion\n"
        "  from: bridge\n"
        "  process: {kind: truncated}\n"
    )


@pytest.mark.parametrize("make", [examples.linear, examples.parallel, examples.recursive])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_round_trip(make: object, rank: int) -> None:
    assert callable(make)
    spec = parse(make(rank))
    text = dump(spec)
    assert loads(text) == spec
    assert dump(loads(text)) == text


NUMBERS = [("1e-4", 1e-4), ("1E3", 1e3), (".5e1", 5.0), ("2.e-1", 0.2), ("3", 3.0)]


@pytest.mark.parametrize(("written", "value"), NUMBERS)
def test_numbers_as_people_write_them(written: str, value: float) -> None:
    spec = loads(
        f"{{name: a, stages: [{{name: base, role: base, kind: custom, target: 'm:C', options: {{x: {written}}}}}]}}"
    )
    assert spec.stages[0].model_dump()["options"] == {"x": value}


def test_dates_stay_text() -> None:
    assert loads("{name: a, description: 2024-01-01, stages: [{name: b, role: base}]}").description == "2024-01-01"


def test_merged_keys_may_be_overridden() -> None:
    spec = loads(
        """
        name: anchors
        stages:
          - &one {name: one, role: base, out: {size: [8, 8]}}
          - {<<: *one, name: two}
        """
    )
    assert [stage.name for stage in spec.stages] == ["one", "two"]


def test_a_file_and_its_folder(tmp_path: Path) -> None:
    spec = parse(examples.linear())
    (tmp_path / "cascade.yaml").write_text(dump(spec), encoding="utf-8")
    assert load(tmp_path) == load(str(tmp_path / "cascade.yaml")) == spec


def test_nothing_heavy_is_imported() -> None:
    code = "import sys, dynaxx.spec; print([name for name in ('torch', 'numpy', 'diffusers') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "text", ["\x85", "a\n b\n", "\u2028 x", "\ufeff", " \t", "caf\u00e9", "1e5", "null", "\U0001f34e", "a: b #c"]
)
def test_any_description_comes_back(text: str) -> None:
    spec = parse(examples.linear() | {"description": text})
    assert loads(dump(spec)).description == text


def test_right_ranges_pass() -> None:
    data = examples.changed(examples.linear(), "data", {"kind": "fields", "path": "x.npy", "range": [0, 1]})
    for process in ({"kind": "sigmoid", "start": -4}, {"kind": "karras"}, {"kind": "ddpm-linear"}):
        spec = parse(examples.changed(data, "stages.0.process", process))
        assert loads(dump(spec)) == spec


def test_empty_sections_are_as_if_left_out() -> None:
    bare = loads("{name: a, stages: [{name: s, role: base, out: {size: [8]}}]}")
    stage = "{name: s, role: base, inputs: , solver: , out: {size: [8]}}"
    empty = f"{{name: a, condition: , inputs: , codecs: , stages: [{stage}]}}"
    assert loads(empty) == bare


def test_a_name_alone_is_an_edge() -> None:
    data = examples.linear()
    data["stages"][2]["inputs"] = {"low": data["stages"][2].pop("from"), "context": "base"}
    assert [edge.from_ for edge in parse(data).stages[2].inputs.values()] == ["bridge", "base"]


def test_kinds_with_a_default_may_be_left_out() -> None:
    data = examples.changed(examples.linear(), "stages.0.network", {"width": 32})
    first = parse(examples.changed(data, "stages.0.process", {"logsnr_max": 9})).stages[0].model_dump()
    assert (first["network"]["kind"], first["process"]["kind"]) == ("unet", "cosine")


def test_a_bundled_cascade_by_name() -> None:
    assert load("emoji-exact").name == "emoji-exact"
