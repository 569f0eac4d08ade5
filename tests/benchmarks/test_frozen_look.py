"""The frozen look of pictures: Lab equals the published values, and a worn picture still looks most like itself."""

from __future__ import annotations

import prompt_hits
import pytest
import torch
from look import Gallery, lab, orientations

from dynaxx.data.bundled import Bundled

SRGB_AS_LAB = {
    (255, 0, 0): (53.24, 80.09, 67.20),
    (0, 255, 0): (87.73, -86.18, 83.18),
    (0, 0, 255): (32.30, 79.19, -107.86),
    (255, 255, 255): (100.0, 0.0, 0.0),
    (0, 0, 0): (0.0, 0.0, 0.0),
}  # B. Lindbloom's calculator, D65


@pytest.mark.parametrize("rgb", SRGB_AS_LAB)
def test_lab_is_what_others_compute(rgb: tuple[int, int, int]) -> None:
    x = (torch.tensor(rgb, dtype=torch.float64) / 127.5 - 1).view(1, 3, 1, 1)
    assert (100 * lab(x)).flatten().tolist() == pytest.approx(SRGB_AS_LAB[rgb], abs=0.05)


def test_orientations_turn_with_the_picture_and_ignore_contrast() -> None:
    ramp = torch.linspace(-1, 1, 64).expand(1, 3, 64, 64)
    across, down = orientations(ramp)[0, :, 4:12, 4:12]
    assert bool((across > 0.4).all())
    assert float(down.abs().max()) < 1e-3
    turned = orientations(ramp.transpose(2, 3))[0, :, 4:12, 4:12]
    torch.testing.assert_close(turned[1], across.T)


def test_worn_pictures_look_most_like_themselves_and_strangers_do_not() -> None:
    data = Bundled("emoji")
    pictures = torch.stack([data[i].x for i in range(120)])
    names = [data[i].id for i in range(120)]
    found = Gallery(pictures, names).nearest(prompt_hits.worn(pictures), 5)
    assert sum(name in near for name, near in zip(names, found, strict=True)) >= 118
    strangers = Gallery(pictures, names).nearest(pictures.roll(1, 0), 5)
    assert sum(name in near for name, near in zip(names, strangers, strict=True)) < 30


def test_intervals_are_wilsons_and_differences_paired() -> None:
    hits, theirs = torch.tensor([1.0] * 40 + [0.0] * 60), torch.tensor([1.0] * 30 + [0.0] * 70)
    found = prompt_hits.rate("r", hits)
    assert (found.value, found.low, found.high) == (
        pytest.approx(0.4),
        pytest.approx(0.3094, abs=1e-4),
        pytest.approx(0.4980, abs=1e-4),
    )
    gap = prompt_hits.difference("d", hits, theirs)
    assert gap.value == pytest.approx(0.1)
    assert (gap.low, gap.high) == (pytest.approx(0.0346, abs=3e-3), pytest.approx(0.1614, abs=3e-3))
    same = prompt_hits.difference("d", hits, hits)
    assert same.low < 0 < same.high
