"""Stages in tiles: what is local is exact, seams are blended, and what cannot be cut is left whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from dynaxx import Cascade
from dynaxx.cli import run
from dynaxx.errors import SpecError
from dynaxx.plan.tiles import tiles_of
from dynaxx.spec.files import dump, parse
from dynaxx.spec.graph import nodes
from dynaxx.spec.identity import run_id, stage_weights_id
from dynaxx.spec.override import tile_settings
from dynaxx.stage.stage import Request

SEEN: list[tuple[int, ...]] = []


class Local:
    """A stage whose answer at a site depends on its low input there alone, plus what it is told to draw."""

    def __init__(self, spec: Any, grid: Any) -> None:
        self.noise = float(spec.options.get("noise", 0))

    def run(self, request: Request) -> torch.Tensor:
        SEEN.append(request.grid.size)
        eps = request.draws.normal("x", request.grid.shape)
        if not request.inputs:
            return eps
        assert request.inputs["low"].x.shape[1:] == request.grid.shape
        return torch.tanh(request.inputs["low"].x) + self.noise * eps

    def to(self, device: torch.device) -> None:
        """It holds nothing."""


def spec(size: tuple[int, int], scale: float = 2, tile: int | None = None, **options: float) -> Any:
    base = {"name": "base", "role": "base", "kind": "custom", "target": "test_tiles:Local", "out": {"size": list(size)}}
    up = {"name": "up", "role": "bridge", "kind": "custom", "target": "test_tiles:Local", "options": options}
    up |= {"from": "base", "out": {"scale": scale}} | ({"tile": tile} if tile else {})
    return parse({"name": "x", "stages": [base, up]})


@pytest.mark.parametrize("size", [(16, 16), (20, 9), (8, 33)], ids=str)
def test_a_local_stage_is_the_same_in_tiles(size: tuple[int, int]) -> None:
    whole = Cascade.from_spec(spec(size)).sample(num=2).x
    SEEN.clear()
    tiled = Cascade.from_spec(spec(size, tile=8)).sample(num=2).x
    assert (tiled - whole).abs().max() < 1e-6
    assert max(side for seen in SEEN[1:] for side in seen) <= 16, "no tile is larger than asked for"


def test_noise_is_blended_and_each_tile_draws_its_own() -> None:
    x = Cascade.from_spec(spec((32, 32), tile=16, noise=1.0)).sample().x
    whole = Cascade.from_spec(spec((32, 32), noise=1.0)).sample().x
    assert (x - whole).abs().max() > 0.5
    low = Cascade.from_spec(spec((32, 32))).sample().x
    eps = x - low
    assert eps[..., :8, :8].std() == pytest.approx(1, abs=0.3)
    assert eps[..., 28:36, 28:36].std() < 1, "where two tiles meet, their noise is averaged"


@pytest.mark.parametrize("side", [None, 64])
def test_what_is_small_stays_whole(side: int | None) -> None:
    assert tiles_of(nodes(spec((16, 16), tile=side))[1]) == []


def test_a_stage_that_grows_by_a_fraction_is_not_cut() -> None:
    says = "stages.1 .up..tile: cuts up a stage that grows height and width a whole number of times, .* 16x16 to 24x24"
    with pytest.raises(SpecError, match=says):
        spec((16, 16), 1.5, tile=6)
    free = spec((16, 16), 1.5).model_dump(by_alias=True)
    free["stages"][0]["out"]["size"], free["stages"][1]["tile"] = None, 6
    with pytest.raises(SpecError, match="32x32 to 48x48"):
        nodes(parse(free), size=(32, 32))
    with pytest.raises(SpecError, match="there is none"):
        tile_settings(spec((16, 16), 1.5), 6)


def test_a_stage_that_hands_over_unfinished_is_not_cut() -> None:
    gaussian = {"kind": "gaussian", "size": [16, 16], "solver": {"steps": 4}}
    given = gaussian | {"name": "up", "role": "bridge", "from": "base", "out": {"scale": 1}, "tile": 4}
    low = {"from": "up", "via": "start", "hand": "noisy", "hand_std": 0.5}
    last = gaussian | {"name": "last", "role": "refine", "inputs": {"low": low}, "out": {"scale": 1}}
    base = gaussian | {"name": "base", "role": "base", "out": {"size": [16, 16]}}
    with pytest.raises(SpecError, match=r"stages.1 .up..tile: cuts up a finished signal"):
        parse({"name": "x", "stages": [base, given, last]})


def test_every_site_is_covered_and_neighbours_share_a_quarter() -> None:
    for length in range(9, 60):
        tiles = tiles_of(nodes(spec((length, 8), tile=8))[1])
        rows = [tile.low[0] for tile in tiles]
        assert rows[0].start == 0
        assert rows[-1].stop == length
        assert all(above.stop - below.start >= 2 for above, below in zip(rows, rows[1:], strict=False))


def test_tiles_are_part_of_what_a_sample_is() -> None:
    assert run_id(spec((32, 32))) != run_id(spec((32, 32), tile=16))
    assert stage_weights_id(spec((32, 32)), "up") == stage_weights_id(spec((32, 32), tile=16), "up")


def alone(**more: Any) -> Any:
    stage = {"name": "base", "role": "base", "kind": "custom", "target": "test_tiles:Local", "out": {"size": [8, 8]}}
    return parse({"name": "x", "stages": [stage | more]})


def test_every_stage_that_can_be_cut_is_cut_from_outside() -> None:
    assert tile_settings(spec((32, 32)), 16) == {"up.tile": 16}
    assert tile_settings(spec((32, 32)), None) == {}
    with pytest.raises(SpecError, match="there is none"):
        tile_settings(alone(), 16)


def test_a_tile_has_a_size() -> None:
    with pytest.raises(SpecError, match="tile"):
        spec((32, 32), tile=1)


def test_a_stage_that_reads_nothing_is_not_cut() -> None:
    with pytest.raises(SpecError, match="tile: cuts up a stage that reads `low` alone, and this one reads nothing"):
        alone(tile=8)


def test_the_command_works_in_tiles_and_says_so_in_the_run_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("two.yaml").write_text(dump(spec((32, 32))))
    said = []
    for extra in ([], ["--tile", "16"], ["--set", "up.tile=16"]):
        SEEN.clear()
        assert run(["sample", "two.yaml", "--out", "out", *extra]) == 0
        said.append(
            (json.loads(Path("out/run.json").read_text())["trace"]["run_id"], max(seen[0] for seen in SEEN[1:]))
        )
    assert said[0][1] == 64
    assert said[1] == said[2] == (said[1][0], 32)
    assert said[0][0] != said[1][0]
