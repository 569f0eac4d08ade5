from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from dynaxx.data.fields import Fields
from dynaxx.data.open import open_data
from dynaxx.errors import DataError
from dynaxx.spec.data import FieldsData


def opened(root: Path, size: tuple[int, ...] | None = None, **options: object) -> Fields:
    return Fields(FieldsData.model_validate({"path": ".", **options}), root, size=size)


@pytest.mark.parametrize(("shape", "size", "expected"), [
    ((50,), None, (1, 50)), ((20, 30), None, (1, 20, 30)), ((3, 20, 30), None, (3, 20, 30)),
    ((2, 6, 20, 30), None, (2, 6, 20, 30)), ((2, 50), (50,), (2, 50)), ((6, 20, 30), (6, 20, 30), (1, 6, 20, 30)),
    ((6, 20, 30), (20, 30), (6, 20, 30)), ((64,), (32,), (1, 32)), ((4, 8, 16, 16), (4, 8, 8), (4, 4, 8, 8)),
])  # fmt: skip
def test_one_to_three_axes(
    tmp_path: Path, shape: tuple[int, ...], size: tuple[int, ...] | None, expected: tuple[int, ...]
) -> None:
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(size=shape))
    x = opened(tmp_path, size)[0].x
    assert tuple(x.shape) == expected
    assert x.dtype == torch.float32
    assert float(x.abs().max()) <= 1


def test_axes_can_be_said(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(size=(3, 20, 30)))
    assert opened(tmp_path, axes=3)[0].x.shape == (1, 3, 20, 30)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64", "float16", "float32", "float64", ">f4", "bool"])
def test_any_numeric_type_maps_its_range(tmp_path: Path, dtype: str) -> None:
    values = np.array([0, 1, 0, 1] if dtype == "bool" else [10, 20, 30, 50], dtype=dtype)
    np.save(tmp_path / "a.npy", values)
    expected = [-1, 1, -1, 1] if dtype == "bool" else [-1, -0.5, 0, 1]
    data = opened(tmp_path)
    torch.testing.assert_close(data[0].x, torch.tensor([expected], dtype=torch.float32))
    low, high = (0, 1) if dtype == "bool" else (10, 50)
    assert f"values {low} to {high} (the extremes of the data) become -1 to 1." in str(data.report)


def test_given_range_is_the_same_for_all_and_cuts_off(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", one=np.array([0.0, 5.0, 10.0]), two=np.array([-5.0, 0.0, 20.0]))
    data = opened(tmp_path, range=(0, 10))
    assert [data[i].id for i in range(2)] == ["a.npz:one", "a.npz:two"]
    assert data[0].x.tolist() == [[-1, 0, 1]]
    assert data[1].x.tolist() == [[-1, -1, 1]]
    assert "as set) become -1 to 1; 1 arrays go beyond" in str(data.report)


def test_captions_and_labels(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(4))
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "a.npy", "text": "a ramp", "label": 2}')
    sample = opened(tmp_path)[0]
    assert (sample.caption, sample.label, sample.id) == ("a ramp", 2, "a.npy")


def test_one_file_is_enough(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(4))
    data = open_data(FieldsData(path="a.npy"), root=tmp_path)
    assert len(data) == 1


class Trap:
    """An object that would run code if it were unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("executed",)


def with_nan() -> np.ndarray:
    values = np.zeros((4, 4))
    values[1, 2], values[3, 3] = np.nan, np.inf
    return values


BAD = {
    "objects": (np.array([Trap()], dtype=object), r"is no plain array \(Python objects are never loaded\)"),
    "nan": (with_nan(), r"holds NaN or infinite values \(2 of 16\).*Fill them"),
    "complex": (np.ones(4, complex), "holds complex numbers.*as two channels"),
    "words": (np.array(["a", "b"]), "holds <U1, not numbers"),
    "none": (np.zeros((0, 4)), r"has no elements \(shape \(0, 4\)\)"),
    "scalar": (np.array(3.0), r"has 0 axes \(shape \(\)\), but 1 to 4 are expected"),
    "five axes": (np.zeros((2, 2, 2, 2, 2)), "has 5 axes"),
    "other shape": (np.zeros((1, 9, 9)), "has shape 1x9x9, but most have 1x4x4.*Bring all to one shape"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_arrays_are_reported_or_refused(tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    array, message = BAD[kind]
    for name in ("good1", "good2"):
        np.save(tmp_path / f"{name}.npy", np.random.default_rng(0).normal(size=(4, 4)))
    np.save(tmp_path / "bad.npy", array)
    data = opened(tmp_path)
    assert [data[i].id for i in range(len(data))] == ["good1.npy", "good2.npy"]
    assert [skip.file for skip in data.report.skipped] == ["bad.npy"]
    with pytest.raises(DataError, match=message):
        opened(tmp_path, on_bad="refuse")
    assert "executed" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
@pytest.mark.parametrize("content", [b"", b"hello", b"\x93NUMPY\x01\x00", b"PK\x03\x04 broken"])
def test_damaged_files(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=f"(?s)holds no usable array.*{name}: is (damaged|empty|no plain)"):
        opened(tmp_path)


def test_truncated_array(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(1000.0))
    data = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(data[:2000])
    with pytest.raises(DataError, match="a.npy: is damaged or no numpy file"):
        opened(tmp_path)


def test_rank_and_constant_data(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.full((4, 4), 7.0))
    with pytest.raises(DataError, match=r"all values are 7.*Set `range`"):
        opened(tmp_path)
    with pytest.raises(DataError, match=r"(?s)has 2 axes \(shape \(4, 4\)\), but 3 or 4 are expected.*or set `axes`"):
        opened(tmp_path, (4, 4, 4))
    assert opened(tmp_path, range=(6, 8))[0].x.unique().tolist() == [0.0]


def test_empty_range_is_refused_by_the_spec() -> None:
    with pytest.raises(ValidationError, match=r"range \[2, 1\] is empty. Give \[low, high\], low first."):
        FieldsData(path=".", range=(2, 1))
