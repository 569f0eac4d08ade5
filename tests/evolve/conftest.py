"""Lets the tests of what is changed use the lens's small cascades."""

import sys
from pathlib import Path

for folder in ("stage", "lens"):
    sys.path.insert(0, str(Path(__file__).parents[1] / folder))
