"""Lets the plan's tests use the tiny pipelines, and the cases of this folder."""

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "stage")]
FOLDERS = ("if-1", "if-2", "x4", "sdxl", "sdxl-refiner", "sd", "sd-x2", "ltx", "ltx-up", "ltx-refine", "wan")
"""The tiny pipelines that plans are made of."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders of all of them."""
    from tiny_pipelines import saved

    root = tmp_path_factory.mktemp("whole")
    for name in FOLDERS:
        saved(name, root)
    return root
