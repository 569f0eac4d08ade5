"""Every kind of bad spec has a message of its own, with the field, the value and the way out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import spec_examples as examples
import yaml
from spec_faults import BAD, LOW
from spec_misfits import MISFITS

from dynaxx.errors import SpecError
from dynaxx.spec import CascadeSpec, dump, load, loads, nodes, parse

ALL_BAD = BAD | MISFITS


def bad(settings: dict[str, Any]) -> dict[str, Any]:
    """The linear cascade with settings, and with other parents where they are asked for."""
    data = examples.linear()
    for name in ("other", "third"):
        if name in str(settings):
            data["stages"].append({"name": name, "role": "base", "out": {"size": [16, 16]}})
    for path, value in settings.items():
        examples.changed(data, path, value)
    if data["stages"] and data["stages"][-1].get("from", 0) is None:
        del data["stages"][-1]["from"]
    return data


def message(settings: dict[str, Any]) -> str:
    """What a bad cascade is answered with, read as a file."""
    with pytest.raises(SpecError) as caught:
        loads(yaml.safe_dump(bad(settings)))
    return str(caught.value)


@pytest.mark.parametrize("kind", ALL_BAD)
def test_says_what_is_wrong_and_the_way_out(kind: str) -> None:
    settings, said = ALL_BAD[kind]
    answer = message(settings)
    assert [fragment for fragment in said if fragment not in answer] == []
    assert all(line.rstrip().endswith((".", "?")) for line in answer.splitlines())


def test_every_kind_has_a_message_of_its_own() -> None:
    answers = {kind: message(settings) for kind, (settings, _) in ALL_BAD.items()}
    assert len(answers) == len(BAD) + len(MISFITS) >= 110
    assert len(set(answers.values())) == len(answers)


def test_all_problems_are_told_at_once() -> None:
    answer = message({"stages.0.prediction": "edm", "stages.1.out.scale": 1.3, "stages.2.prediction": "eps"})
    assert [line.split(":")[0] for line in answer.splitlines()] == [
        "stages.0 (base).prediction", "stages.2 (refine).prediction", "stages.1 (bridge).out.scale",
    ]  # fmt: skip


def test_a_duplicate_does_not_also_read_itself() -> None:
    assert message({"stages.1.name": "base"}).splitlines() == [
        "stages.1 (base).name: 'base' is also the name of stages.0. Give each stage a name of its own.",
        "stages.2 (refine).inputs.low.from: 'bridge' is unknown. Known: base, base.",
    ]


def test_all_parts_of_the_cascade_are_reserved() -> None:
    for name in (*CascadeSpec.model_fields, "input"):
        assert "is reserved" in message({"stages.0.name": name})


RIGHT: list[dict[str, Any]] = [
    {"stages.2.solver.spacing": "logsnr"},
    {f"{LOW}.via": "start", "stages.1.out": {}, "stages.1.process": {"kind": "flow"}, "stages.1.prediction": "eps"},
    {
        f"{LOW}.noise": {"train_std": [0.2, 0.6]}, "stages.1.repeat": {"times": 2, "std": [0.5, 0.3]},
        f"{LOW}.via": "start", "stages.1.out": {},
    },
    {"condition": {"text": {"dropout": 0.1}, "field": {"channels": 1}}, "stages.0.solver.guidance": 3},
    {"condition.label": {"classes": 2, "dropout": 0}, "stages.0.solver.guidance": 3,
     "stages.0.kind": "gaussian", "stages.0.size": [16, 16]},
    {"stages.1.kind": "gaussian", "stages.1.size": [64, 64], f"{LOW}.resize": "area"},
]  # fmt: skip


@pytest.mark.parametrize("settings", RIGHT, ids=str)
def test_passes_what_works(settings: dict[str, Any]) -> None:
    spec = loads(yaml.safe_dump(bad(settings)))
    assert loads(dump(spec)) == spec


@pytest.mark.parametrize("kind", ["pipeline", "custom"])
@pytest.mark.parametrize("index", [0, 1])
def test_foreign_kinds_may_hand_over_unfinished(kind: str, index: int) -> None:
    data = hand()
    data["stages"][index] |= {"kind": kind} | ({"load": "x"} if kind == "pipeline" else {"target": "m:C"})
    assert nodes(parse(data))[0].stop_std == 0.5


def test_a_state_may_change_its_process() -> None:
    assert nodes(parse(examples.changed(hand(), "stages.1.process", {"kind": "flow"})))[0].stop_std == 0.5


def test_where_names_the_first_place() -> None:
    with pytest.raises(SpecError) as caught:
        parse(bad({"stages.0.solver.steps": 0, "stages.0.solver.eta": 3}))
    assert caught.value.where == "stages.0 (base).solver.steps"
    assert caught.value.exit_code == 2


def hand(**edge: Any) -> dict[str, Any]:
    """The hand-over cascade with other keys on its edge."""
    data = examples.hand_over()
    data["stages"][1]["inputs"]["low"] |= edge
    return data


HAND_OVER = {
    "no level": (hand(hand_std=None), "hand_std: is missing for `hand: noisy`"),
    "beside x_t": (hand(via="concat"), "via: is 'concat', but a noisy hand-over"),
    "more noise": (hand(noise={"std": 0.1}), "nothing may be put on the edge"),
    "other grid": (examples.changed(hand(), "stages.1.out.scale", 2), "starts at 3x16x16"),
    "too much": (hand(hand_std=1e6), "hand_std: 1e+06 cannot be started at: the cosine process goes from 1808.04"),
    "not reached": (
        examples.changed(hand(hand_std=90), "stages.0.process", {"kind": "karras"}),
        "hand_std: 90 is no level that 'base' comes through: it goes from 80 to 0.002",
    ),
    "above its start": (
        examples.changed(
            examples.changed(hand(hand_std=2), "inputs.image", {"size": [16, 16]}),
            "stages.0.inputs", {"own": {"from": "input.image", "via": "start", "noise": {"std": 1}}},
        ),
        "2 is no level that 'base' comes through: it goes from 1 to",
    ),
    "repeated": (examples.changed(hand(), "stages.1.repeat", {"times": 2}), "beside `repeat`"),
    "no denoiser": (examples.changed(hand(), "stages.0.kind", "gan"), "'base' does not denoise"),
    "two parents": (hand(**{"from": ["base", "base"], "merge": "mean"}), "Unfinished states cannot be merged"),
    "other readers": (
        examples.changed(hand(), "stages.1.inputs.context", {"from": "base"}), "'base' has other readers"
    ),
    "two starts": (
        examples.changed(hand(), "stages.1.inputs.context", {"from": "base", "via": "start", "noise": {"std": 1}}),
        "is 'start' on several inputs",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", HAND_OVER)
def test_noisy_hand_over(kind: str) -> None:
    data, said = HAND_OVER[kind]
    with pytest.raises(SpecError) as caught:
        parse(data)
    assert said in str(caught.value)


TEXTS = {
    "empty": ("", "the document is empty"),
    "list": ("- 1", "expects a mapping, but the document is a list"),
    "scalar": ("hello", "the document is a str"),
    "syntax": ("name: a\nstages: [", "<text>, line 3, column 1: is not valid YAML"),
    "duplicate": ("name: a\nname: b\nstages: []", "line 2, column 1: is not valid YAML: the key 'name' appears twice"),
    "two documents": ("a: 1\n---\nb: 2", "expected a single document"),
    "tag": ("name: !!python/object:os.system x", "could not determine a constructor"),
    "set": ("name: !!set {a}", "could not determine a constructor"),
    "bad scalar": ("name: !!int x", "cannot be read as YAML"),
    "control": ("name: \x00", "is not valid YAML"),
    "list as key": ("? [a]\n: b", "unhashable"),
    "deep": ("a: " + "[" * 100_000, "nests deeper than 40 levels"),
    "endless": ("a: &x [*x]", "more than 100,000 values"),
    "long": ("a: " + "x" * 1_000_001, "1,000,004 characters"),
}


@pytest.mark.parametrize("kind", TEXTS)
def test_text_that_is_no_cascade(kind: str) -> None:
    text, said = TEXTS[kind]
    with pytest.raises(SpecError) as caught:
        loads(text)
    assert said in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path, "a\0b"):
        with pytest.raises(SpecError, match="no cascade is there. Name a cascade file, a folder .* or a bundled"):
            load(path)
    with pytest.raises(SpecError, match="cannot be read"):
        load("a" * 5000)
    (tmp_path / "latin.yaml").write_bytes("name: caf\u00e9".encode("latin-1"))
    with pytest.raises(SpecError, match=r"latin.yaml: is not UTF-8 text \(byte 9\). Save it as UTF-8"):
        load(tmp_path / "latin.yaml")


def test_plain_data_nested_without_end() -> None:
    deep: dict[str, Any] = {}
    inner = deep
    for _ in range(5_000):
        inner["a"] = inner = {}
    stage = {"name": "base", "role": "base", "kind": "custom", "target": "m:C", "options": deep}
    with pytest.raises(SpecError, match="nested too deep"):
        parse({"name": "a", "stages": [stage]})
    while deep:  # unnested by hand: freeing it at once would recurse, too
        deep = deep.pop("a")


def test_aliases_held_by_plain_data_end_well() -> None:
    data = examples.linear()
    data["stages"].append(data["stages"])
    with pytest.raises(SpecError):
        parse(data)
