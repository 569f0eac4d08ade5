"""A cascade of two small exact stages as a file, and the commands as real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

FILE = """
name: two
condition: {text: {}}
stages:
  - {name: base, role: base, kind: empirical, data: {kind: bundled}, out: {size: [8, 8]}, solver: {steps: STEPS}}
  - name: bridge
    role: bridge
    kind: empirical
    data: {kind: bundled}
    inputs: {low: {from: base, noise: {train_std: [0.0, 0.6], std: 0.1}}}
    solver: {steps: STEPS}
    out: {scale: 2}
"""


def two_stages(steps: int) -> str:
    """The file, with so many steps in both stages."""
    return FILE.replace("STEPS", str(steps))


def dynaxx(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command, run to its end."""
    path = os.pathsep.join([str(Path(__file__).parents[1] / "src"), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "dynaxx", *map(str, arguments)]
    env = {**os.environ, "PYTHONPATH": path, **environment}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=240, check=False)
