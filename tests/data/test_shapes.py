from __future__ import annotations

import pytest
import torch

from dynaxx.data.shapes import COLOURS, Shapes
from dynaxx.signal.resample import resample
from dynaxx.spec.data import ShapesData

SPEC = ShapesData(count=40, seed=3)


def test_same_picture_whatever_the_count_and_order() -> None:
    few, many = Shapes(ShapesData(count=5)), Shapes(ShapesData(count=10**9))
    assert torch.equal(few[4].x, many[4].x)
    assert few[4].caption == many[4].caption
    assert many[10**9 - 1].x.shape == (3, 64, 64)
    assert not torch.equal(many[4].x, Shapes(ShapesData(count=5, seed=1))[4].x)
    with pytest.raises(IndexError):
        few[5]


@pytest.mark.parametrize("factor", [2, 4])
def test_reduced_picture_is_the_picture_drawn_small(factor: int) -> None:
    small, large = Shapes(SPEC, size=(32, 32)), Shapes(SPEC, size=(32 * factor, 32 * factor))
    for index in range(12):
        reduced = resample(large[index].x[None], (32, 32), "area")[0]
        assert float((reduced - small[index].x).abs().mean()) < 0.012


def test_captions_are_true() -> None:
    data = Shapes(SPEC)
    for index in range(len(data)):
        sample, scene = data[index], data.scene(index)
        ground = torch.tensor(COLOURS[scene.ground]) * 2 - 1
        colour = torch.tensor(COLOURS[scene.colour]) * 2 - 1
        near = (sample.x - colour[:, None, None]).abs().amax(0) < 0.01
        assert (sample.x[:, 0, 0] - ground).abs().max() < 1e-6, sample.caption
        assert near.float().mean() > 0.005, sample.caption
        assert sample.caption == data.captions[index]
        assert sample.caption.endswith(f"on {scene.ground}")
        assert f"{scene.size} {scene.colour}" in sample.caption
        assert sample.caption.count(scene.outline) == 1
        assert sample.label == data.classes.index(scene.outline)
        assert float(sample.x.abs().max()) <= 1


def test_large_ones_are_larger() -> None:
    data = Shapes(ShapesData(count=300), size=(32, 32))
    covered: dict[str, list[float]] = {}
    for index in range(0, len(data), 2):
        scene = data.scene(index)
        if scene.outline == "circle":
            other = (data[index].x - data[index].x[:, :1, :1]).abs().amax(0) > 0.05
            covered.setdefault(scene.size, []).append(float(other.float().mean()))
    assert max(covered["small"]) < min(covered["medium"]) < max(covered["medium"]) < min(covered["large"])


def test_three_axes_move_as_the_caption_says() -> None:
    data = Shapes(SPEC, size=(5, 24, 24))
    for index in range(6):
        sample, scene = data[index], data.scene(index)
        assert sample.x.shape == (3, 5, 24, 24)
        assert sample.caption == f"{scene.caption} moving {scene.move}"
        differs = (sample.x - sample.x[:, :, :1, :1]).abs().amax(0) > 0.05
        rows, columns = torch.meshgrid(torch.arange(24.0), torch.arange(24.0), indexing="ij")
        axis = columns if scene.move in ("left", "right") else rows
        places = [float(axis[frame].mean()) for frame in differs]
        assert (places[-1] > places[0]) == (scene.move in ("right", "down"))


def test_one_axis_is_a_sum_of_tones() -> None:
    data = Shapes(SPEC, size=(128,))
    power = torch.fft.rfft(data[0].x[0].double()).abs() ** 2
    peaks = sorted(power.topk(2).indices.tolist())
    assert peaks[1] == 2 * peaks[0]
    assert peaks[0] == {"low": 2, "middle": 5, "high": 11}[data[0].caption.split()[1]]
    assert float(power.topk(2).values.sum() / power.sum()) > 1 - 1e-9
