"""Lets the commands' tests use the tiny codecs of the stages' tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "stage"))
