"""What stages promise, and whether one fits another's place."""

from __future__ import annotations

from typing import Any

import spec_examples as examples

from dynaxx.spec import Contract, contract_of, mismatches, nodes, parse


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
        "process": "cosine",
        "text_encoder": "words",
    }  # fmt: skip
    assert refine.process == "truncated"
    assert Contract.model_validate_json(bridge.model_dump_json()) == bridge


def test_what_nothing_states_is_unknown() -> None:
    data = examples.linear()
    data["stages"][1] |= {"kind": "pipeline", "load": "some/upscaler", "inputs": {"low": {"from": "base"}}}
    base, bridge, _ = contracts(data)
    low = bridge.inputs["low"]
    assert [low.kernels, low.noise, low.blur_std] == ["unknown"] * 3
    assert [bridge.prediction, bridge.process, bridge.text_encoder] == ["unknown"] * 3
    assert base.text_encoder == "none"
    assert mismatches(bridge, contracts(examples.linear())[1]) == []


def test_exact_and_one_step_stages() -> None:
    data = examples.linear()
    data["stages"][0] |= {"kind": "gaussian", "size": [64, 64]}
    data["stages"][1] |= {"kind": "regression"}
    data["stages"][1]["inputs"]["low"]["blur"] = {"train_std": [0, 1]}
    base, bridge, _ = contracts(data)
    assert (base.prediction, base.process) == ("x", "cosine")
    assert (bridge.prediction, bridge.process) == ("x", "none")
    assert bridge.inputs["low"].blur_std == (0, 1)


def test_latents_name_their_codec() -> None:
    data = {
        "name": "latent", "codecs": {"vae": {"load": "some/vae", "scale": 0.18215}},
        "stages": [{"name": "base", "role": "base", "out": {"channels": 4, "size": [8, 8], "space": "vae"}}],
    }  # fmt: skip
    (base,) = contracts(data)
    assert (base.out.space, base.out.codec, base.out.scale, base.out.shift) == ("latent", "some/vae", 0.18215, 0.0)
    assert base.out.range == "unknown"
    data["codecs"]["vae"]["scale"] = 1.0  # type: ignore[index]
    assert mismatches(base, contracts(data)[0]) == [
        "out.scale: the stage has 0.18215, the place wants 1.0. "
        "Set the codec's scale to the one the stage was trained with."
    ]


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
