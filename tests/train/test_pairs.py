"""Training pairs: the low input is the truth of its parent, windows match, conditions are withheld by share."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from tiny import Given, halves, tiny

from dynaxx.data.open import open_data
from dynaxx.errors import DataError
from dynaxx.signal.resample import resample
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.data import FolderData
from dynaxx.spec.graph import nodes
from dynaxx.train.carried import Kept
from dynaxx.train.material import gather
from dynaxx.train.pairs import Batch, Pairs


def pairs(tmp_path: Path, spec: CascadeSpec, data: Given | None = None, stage: int = 1) -> Pairs:
    graph = nodes(spec)
    material = gather(spec, data, root=None, cache=tmp_path)
    return Pairs(spec.condition, graph, graph[stage], material)


def clean(**settings: object) -> CascadeSpec:
    return tiny(bridge__inputs__low__noise=None, **settings)


def test_the_low_input_is_the_parents_truth_through_the_edges_kernel(tmp_path: Path) -> None:
    batch = pairs(tmp_path, clean(bridge__inputs__low__resize="nearest"), halves()).batch(range(6))
    truth = resample(batch.x, (4, 4), "bicubic-antialias").clamp(-1, 1)
    assert torch.allclose(batch.inputs["low"].source, truth, atol=1e-6)
    assert torch.allclose(batch.inputs["low"].x, resample(truth, (8, 8), "nearest"), atol=1e-6)


def test_pictures_are_kept_as_bytes_and_read_again_without_decoding(tmp_path: Path) -> None:
    spec = tiny(data={"kind": "bundled"})
    first = gather(spec, None, root=None, cache=tmp_path).signals
    assert {array.dtype.name for array in first.arrays.values()} == {"uint8"}
    written = sorted(path.stat().st_mtime_ns for path in tmp_path.rglob("*.npy"))
    again = gather(spec, None, root=None, cache=tmp_path).signals
    assert sorted(path.stat().st_mtime_ns for path in tmp_path.rglob("*.npy")) == written
    assert again.fingerprint == first.fingerprint
    assert torch.equal(again.at((8, 8), [3, 1]), first.at((8, 8), [3, 1]))


def test_the_nth_pair_does_not_depend_on_the_batch(tmp_path: Path) -> None:
    maker = pairs(tmp_path, tiny(bridge__train__crop=[4, 4], bridge__inputs__low__blur={"train_std": [0, 1]}))
    whole, part = maker.batch(range(8)), maker.batch(range(5, 7))
    assert whole.ids[5:7] == part.ids
    for of in (lambda b: b.x, lambda b: b.t, lambda b: b.eps, lambda b: b.condition.tokens):
        assert torch.equal(of(whole)[5:7], of(part))
    for of in (lambda b: b.inputs["low"].x, lambda b: b.inputs["low"].std, lambda b: b.inputs["low"].blur):
        assert torch.allclose(of(whole)[5:7], of(part), atol=1e-6)


def test_windows_of_a_signal_and_its_input_lie_at_the_same_place(tmp_path: Path) -> None:
    """On a grid of the same size, an edge without noise gives the signal itself, so the windows must agree."""
    spec = clean(bridge__train__crop=[3, 2], bridge__out={"size": [4, 4]}, bridge__inputs__low__resize="nearest")
    batch = pairs(tmp_path, spec).batch(range(16))
    assert batch.x.shape[2:] == (3, 2)
    assert torch.equal(batch.x, batch.inputs["low"].x)


def test_conditions_are_withheld_by_their_share(tmp_path: Path) -> None:
    maker = pairs(tmp_path, tiny(condition__text__dropout=0.25), halves(), stage=0)
    texts = maker.batch(range(2000)).condition.texts
    assert texts.count("") / len(texts) == pytest.approx(0.25, abs=0.03)
    assert texts.count("left") == pytest.approx(texts.count("top"), abs=60)


def test_a_share_of_low_inputs_is_what_the_parent_made(tmp_path: Path) -> None:
    spec = clean(bridge__train__generated=0.3)
    graph, material = nodes(spec), gather(spec, halves(), root=None, cache=tmp_path)
    made = {("bridge", "low", "base"): Kept(torch.full((2, 3, 4, 4), 0.5).numpy(), "")}
    batch: Batch = Pairs(spec.condition, graph, graph[1], material, generated=made).batch(range(1000))
    share = (batch.inputs["low"].source == 0.5).all(1).all(1).all(1).float().mean()
    assert share == pytest.approx(0.3, abs=0.04)


def test_what_is_withheld_is_seen_by_those_stages_only_that_learn_from_all(tmp_path: Path) -> None:
    for i in range(40):
        Image.new("RGB", (16, 16), (6 * i, 0, 0)).save(tmp_path / f"{i:02}.png")
        (tmp_path / f"{i:02}.txt").write_text(f"shade {i}")
    folder = {"kind": "folder", "path": str(tmp_path), "withheld": 0.3}
    spec = tiny(data=folder, base__train__part="all")
    seen = [set(pairs(tmp_path / "kept", spec, stage=stage).batch(range(40)).ids) for stage in (0, 1)]
    withheld = open_data(FolderData.model_validate(folder), part="withheld")
    assert len(seen[0]) == 40
    assert seen[1] < seen[0]
    assert seen[0] - seen[1] == {withheld[i].id for i in range(len(withheld))}


def test_a_stage_that_nothing_is_left_for_is_named(tmp_path: Path) -> None:
    for i in range(4):
        Image.new("RGB", (16, 16), (6 * i, 0, 0)).save(tmp_path / f"{i:02}.png")
        (tmp_path / f"{i:02}.txt").write_text(f"shade {i}")
    folder = {"kind": "folder", "path": str(tmp_path), "withheld": 1.0}
    with pytest.raises(DataError, match="no sample is left for 'bridge'"):
        pairs(tmp_path / "kept", tiny(data=folder, base__train__part="all"))
