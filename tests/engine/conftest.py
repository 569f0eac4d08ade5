"""Lets the engine's tests use the numpy reference of the Gaussian cascade."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "stage"))
