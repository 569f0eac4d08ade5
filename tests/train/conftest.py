"""Lets the tests of this folder share tiny cascades, and the stages' tiny codecs."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "stage")]
