"""Lets the plan's tests use the tiny pipelines, and the cases of this folder."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "stage")]
