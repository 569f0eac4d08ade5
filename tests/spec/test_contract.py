"""What stages promise, and whether one fits another's place."""

from __future__ import annotations

from typing import Any

import pytest
import spec_examples as examples

from dynaxx.spec import Contract, contract_of, mismatches, nodes, parse
from dynaxx.spec.contract import ConditionContract


def contracts(data: dict[str, Any]) -> list[Contract]:
    """The contracts of a cascade's nodes."""
    spec = parse(data)
    return [contract_of(spec, node) for node in nodes(spec)]


def test_states_what_the_file_states() -> None:
    data = examples.linear() | {"condition": {"text": {"encoder": "words"}}}
    _, bridge, refine = contracts(data)
    assert bridge.model_dump(exclude_none=True) == {
        "kind": "diffusion",
        "out": {"channels": 3, "size": (32, 32), "range": (-1.0, 1.0), "space": "pixels"},
        "inputs": {
            "low": {
                "grid": {"channels": 3, "size": (16, 16), "range": (-1.0, 1.0), "space": "pixels"},
                "kernels": ("bicubic-antialias", "bicubic-antialias"),
                "via": "concat",
                "noise": {
                    "at": "high", "form": "exploding", "redraw": "once", "told": True, "train_std": (0.0, 0.6),
                },
            }
        },
        "prediction": "v",
        "process": {"kind": "cosine", "logsnr_max": 15.0, "reference": None},
        "condition": {"text_encoder": "words", "text_width": 64},
    }  # fmt: skip
    assert refine.process == {"kind": "truncated", "start": 0.1, "end": 0.0}
    assert Contract.model_validate_json(bridge.model_dump_json()) == bridge


def test_what_nothing_states_is_unknown() -> None:
    data = examples.linear()
    data["stages"][1] |= {"kind": "pipeline", "load": "some/upscaler", "inputs": {"low": {"from": "base"}}}
    base, bridge, _ = contracts(data)
    low = bridge.inputs["low"]
    assert [low.kernels, low.noise, low.blur_std] == ["unknown"] * 3
    assert [bridge.prediction, bridge.process, bridge.condition] == ["unknown"] * 3
    assert base.condition == ConditionContract()
    assert mismatches(bridge, contracts(examples.linear())[1]) == []


def test_exact_and_one_step_stages() -> None:
    data = examples.linear()
    data["stages"][0] |= {"kind": "gaussian", "size": [64, 64]}
    data["stages"][1] |= {"kind": "regression"}
    data["stages"][1]["inputs"]["low"]["blur"] = {"train_std": [0, 1]}
    base, bridge, _ = contracts(data)
    assert base.prediction == "x"
    assert isinstance(base.process, dict)
    assert base.process["kind"] == "cosine"
    assert (bridge.prediction, bridge.process) == ("x", "none")
    assert bridge.inputs["low"].blur_std == (0, 1)


ID, OTHER = "0123456789abcdef", "fedcba9876543210"


def latent(**codec: object) -> Contract:
    """The contract of a base among the latents of a codec."""
    out = {"channels": 4, "size": [8, 8], "space": "vae"}
    stages = [{"name": "base", "role": "base", "out": out}]
    (base,) = contracts({"name": "latent", "codecs": {"vae": {"load": "some/vae"} | codec}, "stages": stages})
    return base


def test_latents_name_their_codec() -> None:
    out = latent(id=ID, scale=0.18215, shift=0.5).out
    assert (out.space, out.codec, out.scale, out.shift) == ("latent", ID, 0.18215, 0.5)
    assert (out.range, out.load) == ("unknown", "unknown")
    told = latent().out
    assert (told.codec, told.load, told.scale, told.shift) == ("unknown", "some/vae", "unknown", "unknown")
    assert latent(scale=[1, 2, 3, 4]).out.scale == (1, 2, 3, 4)


def test_another_codec_or_scale_is_a_mismatch_with_both_sides() -> None:
    trained = latent(id=ID, scale=0.18215, shift=0)
    assert mismatches(trained, latent(id=OTHER, scale=1, shift=0)) == [
        f"out.codec: the stage has {ID!r}, the place wants {OTHER!r}. "
        "Set the codec's `load` and `id` to the one the stage was trained with, or train the stage anew.",
        "out.scale: the stage has 0.18215, the place wants 1.0. "
        "Set the codec's scale to the one the stage was trained with.",
    ]
    assert mismatches(trained, latent(load="elsewhere", id=ID, scale=0.18215, shift=0)) == []
    assert mismatches(trained, latent()) == []  # nobody said which
    assert [line.split(":")[0] for line in mismatches(latent(), latent(load="other/vae"))] == ["out.load"]


def test_a_stage_fits_its_own_place_and_any_within_its_range() -> None:
    bridge = contracts(examples.linear())[1]
    assert mismatches(bridge, bridge) == []
    narrow = contracts(examples.changed(examples.linear(), "stages.1.inputs.low.noise.train_std", [0.1, 0.5]))[1]
    assert mismatches(bridge, narrow) == []
    assert mismatches(narrow, bridge) == [
        "inputs.low.noise.train_std: the stage has (0.1, 0.5), the place wants (0.0, 0.6). "
        "Keep the edge's levels within the stage's range, or train it on a wider one."
    ]


def test_each_mismatch_names_both_sides() -> None:
    _, bridge, refine = contracts(examples.linear())
    found = mismatches(bridge, refine)
    assert [line.split(":")[0] for line in found] == ["inputs.low.grid.size", "inputs.low.noise", "process"]
    assert "the stage has (16, 16), the place wants (32, 32)" in found[0]
    assert "the stage has some, the place wants none" in found[1]


def test_missing_inputs() -> None:
    base, bridge, _ = contracts(examples.linear())
    assert any("the stage needs it, and the place does not give it" in line for line in mismatches(bridge, base))
    assert any("the place gives it, and the stage does not take it" in line for line in mismatches(base, bridge))


CLASSES = {"condition": {"label": {"classes": 10}}}
TEXT = {"condition": {"text": {"width": 64}}}
DIFFERENT = [
    (
        examples.linear(),
        examples.changed(examples.linear(), "stages.2.process.start", 0.9),
        2,
        "process.start: the stage has 0.1",
    ),
    (
        examples.changed(examples.linear(), "stages.0.process", {"kind": "karras"}),
        examples.changed(examples.linear(), "stages.0.process", {"kind": "karras", "std_max": 2}),
        0,
        "process.std_max: the stage has 80.0, the place wants 2.0. Set `process.std_max` to the stage's.",
    ),
    (
        examples.linear() | CLASSES,
        examples.linear() | {"condition": {"label": {"classes": 5}}},
        0,
        "condition.label_classes: the stage has 10, the place wants 5. Set `condition.label.classes` to the stage's.",
    ),
    (
        examples.linear() | CLASSES,
        examples.linear(),
        0,
        "condition.label_classes: the stage has 10, the place wants none",
    ),
    (examples.linear() | TEXT, examples.linear() | {"condition": {"text": {"width": 32}}}, 0, "condition.text_width"),
    (
        examples.linear() | {"condition": {"field": {"channels": 2}}},
        examples.linear() | {"condition": {"field": {"channels": 1}}},
        0,
        "condition.field_channels: the stage has 2, the place wants 1",
    ),
]


@pytest.mark.parametrize(("have", "want", "index", "said"), DIFFERENT, ids=[row[-1][:24] for row in DIFFERENT])
def test_parameters_are_compared(have: Any, want: Any, index: int, said: str) -> None:
    (found,) = mismatches(contracts(have)[index], contracts(want)[index])
    assert found.startswith(said)


def test_prediction_follows_the_process() -> None:
    karras = contracts(examples.changed(examples.linear(), "stages.0.process", {"kind": "karras"}))[0]
    assert (karras.prediction, contracts(examples.linear())[0].prediction) == ("edm", "v")
