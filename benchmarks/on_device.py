"""The command of a benchmark that works in a folder of its own, on a device that one may name."""

from __future__ import annotations

import argparse
import gc
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import timing
import torch

from dynaxx.signal.device import accelerator

Measure = Callable[[Path, str, bool], list[timing.Result]]


def main(name: str, says: str | None, measure: Measure, parts: Mapping[str, Measure] | None = None) -> None:
    """Measure in a folder of its own, on the device asked for, and report; all, or one of the `parts`."""
    parser = argparse.ArgumentParser(description=says)
    parser.add_argument("--quick", action="store_true", help="a smoke version of at most a minute")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line on stdout")
    parser.add_argument("--device", default=accelerator() or "cpu")
    if parts:
        parser.add_argument("--part", choices=list(parts), help="this alone; all of it where none is named")
    options = parser.parse_args()
    chosen = parts[options.part] if parts and options.part else measure
    before = timing.load()
    with tempfile.TemporaryDirectory() as folder:
        results = chosen(Path(folder), options.device, options.quick)
    device = timing.device_name(torch.device(options.device))
    timing.report(name, device, results, as_json=options.json, before=before)


def is_gpu(device: str) -> bool:
    """Whether a device has memory of its own, and the stages' full size."""
    return torch.device(device).type != "cpu"


def let_go(device: str) -> None:
    """Have a GPU give back what nobody uses: networks lie in circles, and hold on to what was compiled for them."""
    gc.collect()
    if is_gpu(device):
        torch.get_device_module(device).empty_cache()
