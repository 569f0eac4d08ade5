"""How long training waits for a save: ours, copied and written behind it, and accelerate's `save_state`, in place."""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import timing
import torch

from dynaxx.spec.training import EmaSpec, OptimizerSpec
from dynaxx.train.checkpoint import save_checkpoint
from dynaxx.train.ema import Ema
from dynaxx.train.optimise import Optimiser
from dynaxx.train.writer import Writer

MB, FLOAT, COPIES = 10**6, 4, 4
"""The weights, their average and two moments, in float32."""


def network_of(state_mb: float, width: int = 512) -> torch.nn.Module:
    """Layers whose training state comes to so many megabytes."""
    layers = max(1, round(state_mb * MB / (COPIES * FLOAT * width * (width + 1))))
    return torch.nn.Sequential(*(torch.nn.Linear(width, width) for _ in range(layers)))


class Ours:
    """Network, average and optimiser as a training of ours holds them, after one step."""

    def __init__(self, state_mb: float, folder: Path) -> None:
        network, self.folder = network_of(state_mb), folder
        self.network, self.ema = network, Ema(EmaSpec(), network)
        self.optimiser = Optimiser(OptimizerSpec(), network)
        for p in network.parameters():
            p.grad = torch.ones_like(p)
        self.optimiser.clip()
        self.optimiser.step(1e-4)
        folder.mkdir()
        self.writer, self.steps, self.write_s = Writer(folder, done=self._done), 0, list[float]()

    def _done(self, saved: Any) -> None:
        self.write_s.append(saved.write_s)

    def tensors(self) -> dict[str, dict[str, torch.Tensor]]:
        """What a checkpoint holds."""
        state = dict(self.network.state_dict())
        return {"network": state, "ema": self.ema.state(), "optimizer": self.optimiser.state()}

    def stall(self) -> float:
        """Seconds that training waits for a save when the one before is on disk."""
        self.writer.wait()
        self.steps += 1
        start = time.perf_counter()
        self.writer.save(self.steps, self.tensors(), {"step": self.steps})
        seconds = time.perf_counter() - start
        self.writer.wait()
        return seconds

    def in_front(self) -> float:
        """Seconds of the same save, waited for: copied, checked, synced."""
        self.steps += 1
        start = time.perf_counter()
        save_checkpoint(self.folder, self.steps, self.tensors(), {"step": self.steps})
        return time.perf_counter() - start


class Plain:
    """The same state under accelerate, saved as diffusers' training examples do."""

    def __init__(self, state_mb: float, folder: Path) -> None:
        from accelerate import Accelerator
        from diffusers.training_utils import EMAModel

        self.folder, self.accelerator = folder, Accelerator(cpu=True)
        network = network_of(state_mb)
        average = EMAModel(network.parameters())
        self.accelerator.register_for_checkpointing(average)
        optimiser = torch.optim.AdamW(network.parameters(), lr=1e-4)
        self.network, self.optimiser = self.accelerator.prepare(network, optimiser)
        for p in self.network.parameters():
            p.grad = torch.ones_like(p)
        self.optimiser.step()

    def save(self) -> float:
        """Seconds of a save; the one before is removed first, unmeasured."""
        shutil.rmtree(self.folder, ignore_errors=True)
        start = time.perf_counter()
        self.accelerator.save_state(str(self.folder))
        return time.perf_counter() - start


def measure(state_mb: float, repeats: int, place: Path) -> list[timing.Result]:
    """Rounds of one save each, in turn."""
    ours, plain = Ours(state_mb, place / "ours"), Plain(state_mb, place / "plain")
    size = sum(value.nbytes for part in ours.tensors().values() for value in part.values()) / MB
    times: dict[str, list[float]] = {"stall": [], "front": [], "plain": []}
    for turn in range(repeats + 1):
        found = {"stall": ours.stall(), "plain": plain.save(), "front": ours.in_front()}
        for name, seconds in found.items():
            if turn:  # the first fills our memory and their caches
                times[name].append(seconds)
    on_disk = sum(file.stat().st_size for file in (place / "plain").rglob("*") if file.is_file()) / MB
    return [
        timing.ratio("stall_ratio", times["stall"], times["plain"], target=0.5),
        timing.ratio("stall_vs_waiting", times["stall"], times["front"]),
        timing.median("stall", times["stall"], "s", peer=median(times["plain"])),
        timing.median("write_behind", ours.write_s[1:], "s"),
        timing.Result("state", size, "MB", size, size, 1, peer=on_disk),
    ]


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke version of at most a minute")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line on stdout")
    parser.add_argument("--state-mb", type=float, default=268.0)
    options = parser.parse_args()
    before = timing.load()
    place = Path(tempfile.mkdtemp(prefix="checkpoint-"))
    try:
        results = measure(8.0 if options.quick else options.state_mb, 3 if options.quick else 15, place)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    timing.report("checkpoint", timing.device_name(torch.device("cpu")), results, as_json=options.json, before=before)


if __name__ == "__main__":
    main()
