"""Lets the lens's tests use the numpy reference of the Gaussian cascade, and the faults of the benchmark."""

import sys
from pathlib import Path

for folder in ("stage", "lens", "../benchmarks"):
    sys.path.insert(0, str(Path(__file__).parents[1] / folder))
