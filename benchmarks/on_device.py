"""The command of a benchmark that works in a folder of its own, on a device that one may name."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import timing
import torch


def main(name: str, says: str | None, measure: Callable[[Path, str, bool], list[timing.Result]]) -> None:
    """Measure in a folder of its own, on the device asked for, and report."""
    parser = argparse.ArgumentParser(description=says)
    parser.add_argument("--quick", action="store_true", help="a smoke version of at most a minute")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line on stdout")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    before = timing.load()
    with tempfile.TemporaryDirectory() as folder:
        results = measure(Path(folder), options.device, options.quick)
    device = timing.device_name(torch.device(options.device))
    timing.report(name, device, results, as_json=options.json, before=before)
