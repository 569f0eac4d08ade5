"""LPIPS: the formula written out in numpy, the file it reads, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from dynaxx.errors import DataError, UsageError
from dynaxx.metrics.lpips import LAYERS, PLACES, SCALE, SHIFT, Lpips
from dynaxx.signal.blur import blur


def state() -> dict[str, Tensor]:
    """Random weights under the names that the package `lpips` gives them."""
    made, generator = {}, torch.Generator().manual_seed(0)
    for i, ((c_in, c_out, kernel, *_), place) in enumerate(zip(LAYERS, PLACES, strict=True)):
        weight = torch.randn(c_out, c_in, kernel, kernel, generator=generator) / (c_in * kernel**2) ** 0.5
        made |= {f"net.slice{i + 1}.{place}.weight": weight, f"net.slice{i + 1}.{place}.bias": torch.zeros(c_out)}
        made[f"lin{i}.model.1.weight"] = torch.rand(1, c_out, 1, 1, generator=generator) / c_out
    return made


@pytest.fixture(scope="module")
def lpips(tmp_path_factory: pytest.TempPathFactory) -> Lpips:
    path = tmp_path_factory.mktemp("lpips") / "lpips-alex.safetensors"
    save_file(state(), path)
    return Lpips.from_file(path)


def correlate(x: np.ndarray, weight: np.ndarray, stride: int, padding: int) -> np.ndarray:
    padded = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, weight.shape[2:], axis=(1, 2))[:, ::stride, ::stride]
    return np.maximum(np.einsum("chwij,ocij->ohw", windows, weight), 0)


def stack(x: np.ndarray) -> list[np.ndarray]:
    weights, answers = state(), []
    x = (x - np.array(SHIFT)[:, None, None]) / np.array(SCALE)[:, None, None]
    for i, ((*_, stride, padding), place) in enumerate(zip(LAYERS, PLACES, strict=True)):
        if i in (1, 2):
            x = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))[:, ::2, ::2].max(axis=(3, 4))
        x = correlate(x, weights[f"net.slice{i + 1}.{place}.weight"].numpy().astype(float), stride, padding)
        answers.append(x / (np.sqrt((x**2).sum(axis=0, keepdims=True)) + 1e-10))
    return answers


def test_it_is_the_formula(lpips: Lpips) -> None:
    x, y = (torch.rand(3, 40, 48, generator=torch.Generator().manual_seed(seed)) * 2 - 1 for seed in (1, 2))
    heads = [state()[f"lin{i}.model.1.weight"].reshape(-1, 1, 1).numpy() for i in range(5)]
    pairs = zip(stack(x.numpy()), stack(y.numpy()), heads, strict=True)
    expected = sum(float(((a - b) ** 2 * head).sum(axis=0).mean()) for a, b, head in pairs)
    assert float(lpips(x[None], y[None])) == pytest.approx(expected, rel=1e-4)


def test_it_rises_with_blur(lpips: Lpips, pictures: Tensor) -> None:
    x = torch.nn.functional.interpolate(pictures[:8], scale_factor=2, mode="nearest")
    distances = [float(lpips(blur(x, s), x).mean()) for s in (0.0, 0.5, 1.0, 2.0)]
    assert distances == sorted(distances)
    assert distances[0] == 0


def test_what_holds_no_weights_says_how_to_write_them(tmp_path: Path, lpips: Lpips) -> None:
    with pytest.raises(DataError, match=r"holds no LPIPS weights.*save_file"):
        Lpips.from_file(tmp_path / "none.safetensors")
    save_file({"other": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(DataError, match="other weights than LPIPS"):
        Lpips.from_file(tmp_path / "other.safetensors")
    with pytest.raises(UsageError, match="at least 32"):
        lpips(torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 16))
