from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dynaxx.data.bundled import Bundled
from dynaxx.data.open import open_data
from dynaxx.data.resized import crop
from dynaxx.errors import DataError
from dynaxx.signal.resample import resample
from dynaxx.spec.data import BundledData, FieldsData, FolderData, ShapesData


def test_relative_paths_start_at_the_root(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (30, 20), "#ff0000").save(tmp_path / "pictures/a.png")
    data = open_data(FolderData(path="pictures"), root=tmp_path)
    assert data[0].x.shape == (3, 20, 30)
    absolute = open_data(FolderData(path=str(tmp_path / "pictures")), root=Path("/nowhere"))
    assert torch.equal(absolute[0].x, data[0].x)


def test_size_crops_about_the_centre_then_resamples(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (40, 64, 3), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "a.png")
    data = open_data(FolderData(path=".", kernel="area"), size=(20, 20), root=tmp_path)
    whole = torch.from_numpy(values).permute(2, 0, 1).float() / 127.5 - 1
    torch.testing.assert_close(data[0].x, resample(whole[None, :, :, 12:52], (20, 20), "area")[0])
    assert "cropped to the shape of 20x20 and resampled by area" in str(data.report)
    assert len(data.captions) == len(data) == 1


@pytest.mark.parametrize("kernel", ["bicubic-antialias", "lanczos", "area"])
def test_bundled_at_a_size_uses_its_kernel_and_stays_in_range(kernel: str) -> None:
    data, full = open_data(BundledData.model_validate({"kernel": kernel}), size=(16, 16)), Bundled()
    expected = resample(full[5].x[None], (16, 16), kernel)[0].clamp(-1, 1)
    assert torch.equal(data[5].x, expected)
    assert data.captions == full.captions
    assert (data[5].caption, data[5].keywords) == (full[5].caption, full[5].keywords)


def test_own_size_changes_nothing() -> None:
    assert torch.equal(open_data(BundledData(), size=(64, 64))[7].x, Bundled()[7].x)


@pytest.mark.parametrize(("shape", "aspect", "expected"), [
    ((40, 64), (1, 1), (40, 40)), ((64, 40), (32, 64), (20, 40)), ((7, 9), (64, 64), (7, 7)), ((9,), (4,), (9,)),
    ((8, 30, 40), (4, 16, 16), (8, 30, 30)),
])  # fmt: skip
def test_crop_is_centred(shape: tuple[int, ...], aspect: tuple[int, ...], expected: tuple[int, ...]) -> None:
    places = torch.stack(torch.meshgrid(*(torch.arange(float(n)) for n in shape), indexing="ij"))
    part = crop(places, aspect)
    assert tuple(part.shape[1:]) == expected
    for axis, size in enumerate(shape):
        assert float(part[axis].mean()) == pytest.approx((size - 1) / 2, abs=0.5)


@pytest.mark.parametrize("size", [(64,), (4, 64, 64)])
def test_pictures_have_two_axes(size: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=f"pictures \\(bundled\\) have two axes, but the stage's grid has {len(size)}"):
        open_data(BundledData(), size=size)


@pytest.mark.parametrize("spec", [FolderData(path="gone"), FieldsData(path="gone")])
def test_missing_place(spec: FolderData | FieldsData, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gone: there is no folder here"):
        open_data(spec, root=tmp_path)


def test_shapes_at_their_own_or_the_asked_size() -> None:
    assert open_data(ShapesData(size=(20, 30)))[0].x.shape == (3, 20, 30)
    assert open_data(ShapesData(size=(20, 30)), size=(8,))[0].x.shape == (1, 8)
