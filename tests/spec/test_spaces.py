"""Grids across spaces: what an edge works on, what a scale refers to, and that sizes go there and back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynaxx.spec import nodes, parse
from dynaxx.spec.codec import CodecSpec
from dynaxx.spec.graph import Node
from dynaxx.spec.grid import Grid

LATENT = {"channels": 4, "space": "vae"}


def cascade(first: dict[str, Any], second: dict[str, Any], edge: dict[str, Any] | None = None) -> tuple[Node, Node]:
    """Two stages, each with its `out`, among pixels and the latents of two codecs of factor 4 and 8."""
    codecs = {"vae": {"load": "a", "factor": 4}, "other": {"load": "b", "channels": 8}}
    used = {out.get("space") for out in (first, second)}
    base, up = nodes(
        parse(
            {
                "name": "two",
                "codecs": {name: codec for name, codec in codecs.items() if name in used},
                "stages": [
                    {"name": "base", "role": "base", "out": first},
                    {"name": "up", "role": "bridge", "inputs": {"low": {"from": "base"} | (edge or {})}, "out": second},
                ],
            }
        )
    )
    return base, up


def test_latents_are_decoded_for_a_stage_in_pixels() -> None:
    base, up = cascade(LATENT | {"size": [8, 8]}, {"scale": 2})
    assert base.decoded == Grid(3, (32, 32))
    low = up.inputs["low"]
    assert (low.grid, low.high, up.grid, up.decoded) == (Grid(3, (32, 32)), up.grid, Grid(3, (64, 64)), None)
    assert (up.codecs, up.channels_of("low")) == (("vae",), 3)


def test_pixels_are_resized_and_then_encoded() -> None:
    _, up = cascade({"size": [16, 16]}, LATENT | {"scale": 2})
    low = up.inputs["low"]
    assert (low.grid, low.high, up.grid) == (Grid(3, (16, 16)), Grid(3, (32, 32)), Grid(4, (8, 8), "vae"))
    assert (up.codecs, up.channels_of("low")) == (("vae",), 4)


def test_or_encoded_and_then_resized_where_the_edge_says_so() -> None:
    _, up = cascade({"size": [16, 16]}, LATENT | {"scale": 2}, {"resize_in": "latents"})
    low = up.inputs["low"]
    assert (low.grid, low.high) == (Grid(4, (4, 4), "vae"), up.grid)
    assert (up.codecs, up.channels_of("low")) == (("vae",), 4)


def test_latents_of_one_codec_stay_latents() -> None:
    _, up = cascade(LATENT | {"size": [4, 4]}, LATENT | {"scale": 2})
    assert (up.inputs["low"].grid, up.inputs["low"].high, up.codecs) == (Grid(4, (4, 4), "vae"), up.grid, ())


def test_but_may_be_resized_in_pixels() -> None:
    _, up = cascade(LATENT | {"size": [4, 4]}, LATENT | {"scale": 2}, {"resize_in": "pixels"})
    low = up.inputs["low"]
    assert (low.grid, low.high, up.grid.size) == (Grid(3, (16, 16)), Grid(3, (32, 32)), (8, 8))
    assert up.codecs == ("vae",)


def test_between_two_codecs_a_signal_goes_through_pixels() -> None:
    _, up = cascade(LATENT | {"size": [4, 4]}, {"channels": 8, "space": "other", "scale": 2})
    low = up.inputs["low"]
    assert (low.grid, low.high, up.grid) == (Grid(3, (16, 16)), Grid(3, (32, 32)), Grid(8, (4, 4), "other"))
    assert (up.codecs, up.channels_of("low")) == (("vae", "other"), 8)


def test_a_repeated_stage_encodes_once() -> None:
    spec = {
        "name": "again", "codecs": {"vae": {"load": "a", "factor": 4}},
        "stages": [
            {"name": "base", "role": "base", "out": {"size": [16, 16]}},
            {"name": "up", "role": "bridge", "from": "base", "repeat": {"times": 2}, "out": LATENT | {"scale": 2}},
        ],
    }  # fmt: skip
    _, first, second = nodes(parse(spec))
    assert (first.inputs["low"].spaces, first.codecs) == (("pixels",), ("vae",))
    assert (second.inputs["low"].spaces, second.codecs, second.grid.size) == (("vae",), (), (16, 16))


@given(st.integers(1, 3), st.booleans(), st.data())
def test_sizes_go_there_and_back(rank: int, causal: bool, data: st.DataObject) -> None:
    size = tuple(data.draw(st.lists(st.integers(1, 40), min_size=rank, max_size=rank)))
    factor = data.draw(st.integers(1, 9) | st.just({"t": 4, "hw": 8}) | st.just({"h": 2}))
    codec = CodecSpec(load="a", factor=factor, causal=causal)
    signal = codec.decoded(size)
    assert codec.encoded(signal) == size
    if causal and rank == 3:
        assert signal[0] == (size[0] - 1) * codec.factors("thw")[0] + 1


@pytest.mark.parametrize("size", [(9, 8), (4, 8), (8, 12)])
def test_what_is_no_whole_number_of_latents_has_none(size: tuple[int, ...]) -> None:
    assert CodecSpec(load="a").encoded(size) is None
