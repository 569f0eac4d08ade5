"""How option values are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from dynaxx.cli.options import parse_devices, parse_inputs, parse_settings, parse_size
from dynaxx.errors import UsageError


@pytest.mark.parametrize(("text", "size"), [(None, None), ("16x24", (16, 24)), ("64", (64,)), ("4X8x8", (4, 8, 8))])
def test_size(text: str | None, size: tuple[int, ...] | None) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "16x", "0x4", "-4x4", "1x2x3x4", "16,16", "1.5x2", "9" * 5000])
def test_bad_size(text: str) -> None:
    with pytest.raises(UsageError, match="16x16"):
        parse_size(text)


def test_settings() -> None:
    pairs = ["base.solver.steps=8", "bridge.inputs.low.noise={std: 0.1}", "a=b=c"]
    assert parse_settings(pairs) == {
        "base.solver.steps": "8",
        "bridge.inputs.low.noise": "{std: 0.1}",
        "a": "b=c",
    }


@pytest.mark.parametrize("pair", ["steps", "=8", ""])
def test_bad_settings(pair: str) -> None:
    with pytest.raises(UsageError, match="path=value"):
        parse_settings([pair])


def test_inputs() -> None:
    assert parse_inputs(["low.png", "image=a=b.png"]) == (Path("low.png"), {"image": Path("a=b.png")})
    assert parse_inputs(["./odd=name.png"]) == (Path("odd=name.png"), {})
    with pytest.raises(UsageError, match="name=FILE"):
        parse_inputs(["a.png", "b.png"])


def test_inputs_are_named_as_cascade_files_name_them() -> None:
    assert parse_inputs(["low-res=a.png", "_x=b.png"]) == (Path("_x=b.png"), {"low-res": Path("a.png")})


def test_an_input_is_given_once() -> None:
    with pytest.raises(UsageError, match="image: is given twice .a.png, b.png"):
        parse_inputs(["image=a.png", "image=b.png"])


def test_devices() -> None:
    assert parse_devices([]) is None
    assert parse_devices(["auto"]) == "auto"
    assert parse_devices(["cuda:0,cuda:1", "cuda:2"]) == ("cuda:0", "cuda:1", "cuda:2")
    assert parse_devices(["base=cuda:0", "up=cuda:1,cuda:2"]) == {"base": ("cuda:0",), "up": ("cuda:1", "cuda:2")}


@pytest.mark.parametrize("values", [["base=cuda:0", "cuda:1"], ["a=cpu", "a=cpu"], ["=cpu"], ["cpu,"], ["a="], [""]])
def test_bad_devices(values: list[str]) -> None:
    with pytest.raises(UsageError, match="--devices"):
        parse_devices(values)
