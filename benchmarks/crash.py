"""kill -9 and power cuts while a training saves: ours, and the save pattern of diffusers' examples on accelerate."""

from __future__ import annotations

import argparse
import hashlib
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import powercut
import syscalls
import timing
import torch
from crash_peer import Peer
from forks import forked

from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.files import loads
from dynaxx.stage.weights import WEIGHTS
from dynaxx.store.lines import read_lines
from dynaxx.train import Every, train
from dynaxx.train.checkpoint import newest

NETWORK = "network: {kind: unet, width: 8, mults: [1, 2], blocks: 1, attention: [], dropout: 0.1}"
TRAIN = "{steps: 6, batch_size: 4, optimizer: {warmup_steps: 2}, ema: {half_life_images: 50}"
SPEC = f"""
name: crash
data: {{kind: shapes, count: 12, size: [8, 8]}}
stages:
  - {{name: base, role: base, {NETWORK}, train: {TRAIN}}}, solver: {{steps: 1}}, out: {{size: [4, 4]}}}}
  - name: bridge
    role: bridge
    inputs: {{low: {{from: base, noise: {{train_std: [0.0, 0.5], std: 0.1}}}}}}
    {NETWORK}
    train: {TRAIN}, generated: 0.5}}
    solver: {{steps: 1}}
    out: {{scale: {{hw: 2}}}}
"""
STAGES = ("base", "bridge")


class Subject(Protocol):
    """A training that saves as it goes, and goes on when it is called again."""

    def run(self, folder: Path) -> None:
        """Train to the end, from wherever the folder stands; raises where it cannot."""

    def loadable(self, folder: Path) -> bool:
        """Whether what going on would take up can be taken up; true while nothing was saved yet."""

    def result(self, folder: Path) -> str:
        """A digest of weights, averages, optimiser and logs at the end."""


class Ours:
    """Two tiny stages, the second learning from the first; a save every other step, a log line every fourth."""

    spec: CascadeSpec = loads(SPEC)

    def run(self, folder: Path) -> None:
        train(self.spec, out=folder, device="cpu", every=Every(log=4, save=2, preview=10**6))

    def loadable(self, folder: Path) -> bool:
        return all(self._loadable(folder / "training" / name / "checkpoints") for name in STAGES)

    def _loadable(self, folder: Path) -> bool:
        """Whether the newest whole checkpoint is there that was ever said to be on disk, or a later one."""
        said = [line["step"] for line in read_lines(folder.parent / "times.jsonl") if line.get("event") == "saved"]
        found = newest(folder).checkpoint if folder.is_dir() else None
        if found is None:
            return not said and not any(folder.glob("step-*"))
        return bool(found.state["step"] >= max(said, default=0))

    def result(self, folder: Path) -> str:
        found = hashlib.sha256()
        for name in STAGES:
            notes, checkpoint = (
                folder / "training" / name,
                newest(folder / "training" / name / "checkpoints").checkpoint,
            )
            assert checkpoint is not None
            files = [*sorted(checkpoint.path.glob("*.safetensors")), notes / "log.jsonl", notes / "events.jsonl"]
            for file in [*files, folder / "stages" / name / WEIGHTS]:
                found.update(file.read_bytes())
        return found.hexdigest()


@dataclass
class Tally:
    """How many kills there were, after how many of them there was something to go on from, and the end was the same."""

    kills: int = 0
    loadable: int = 0
    equal: int = 0

    def add(self, *, loadable: bool, equal: bool) -> None:
        self.kills += 1
        self.loadable += loadable
        self.equal += equal

    def share(self, name: str, what: str, target: float | None = None, peer: float | None = None) -> timing.Result:
        """The share with its interval (Wilson, 95%)."""
        good, n, z = getattr(self, what), max(1, self.kills), 1.96
        middle = (good / n + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * (good / n * (1 - good / n) / n + z * z / (4 * n * n)) ** 0.5
        low, high = max(0.0, middle - half), min(1.0, middle + half)
        return timing.Result(name, good / n, "1", min(low, good / n), max(high, good / n), self.kills, target, peer)


def kill_at_calls(subject: Subject, at: Sequence[int], want: str, place: Path, end: float) -> Tally:
    """A fresh training, killed before its n-th call that writes, syncs or renames, and gone on with."""
    tally, run = Tally(), place / "run"
    for number in random.Random(0).sample(at, len(at)):
        if time.monotonic() > end:
            break
        shutil.rmtree(run, ignore_errors=True)
        run.mkdir()
        _, code = syscalls.run_traced(partial(subject.run, run), run, kill_at=number, torn=number % 2 == 1)
        if code not in (None, 0):
            raise RuntimeError(f"a training failed by itself before call {number}")
        if code is None:
            tally.add(loadable=subject.loadable(run), equal=goes_on(subject, run, want))
    return tally


def kill_at_moments(
    subject: Subject, kills: int, want: str, place: Path, longest_s: float, seed: int, end: float
) -> Tally:
    """Trainings killed again and again, each time gone on with in the same folder until they are through."""
    tally, chance, run = Tally(), random.Random(seed), place / "run"
    while tally.kills < kills and time.monotonic() < end:
        shutil.rmtree(run, ignore_errors=True)
        run.mkdir()
        found = list[bool]()
        while (ended := forked(partial(subject.run, run), chance.uniform(0, longest_s))) is None:
            found.append(subject.loadable(run))
        equal = ended and subject.result(run) == want
        for loadable in found:
            tally.add(loadable=loadable, equal=equal)
    return tally


def goes_on(subject: Subject, run: Path, want: str) -> bool:
    """Whether the training goes on to the end and the end is the one of a training that nobody disturbed."""
    return forked(lambda: subject.run(run)) is True and subject.result(run) == want


def cut_power(
    subject: Ours, calls: Sequence[syscalls.Call], run: Path, place: Path, cuts: int, ways: int, end: float
) -> tuple[Tally, Tally]:
    """The recorded training, the power cut after any of its calls: all that is left, and the part that was resumed.

    Decoded data is mapped memory, which no call shows; it is synced before it is named, so it is taken as it is.
    """
    changes, chance = powercut.changes_of(calls, run), random.Random(1)
    tally, resumed = Tally(), Tally()
    want = subject.result(run)
    _check_whole(changes, run, place / "whole")
    published = [i for i, change in enumerate(changes) if change.to_name.startswith("step-")]
    first = next(i for i in range(published[0], len(changes)) if changes[i].kind == "sync") + 1
    for cut in chance.sample(range(first, len(changes) + 1), min(cuts, len(changes) + 1 - first)):
        for lost in powercut.ways_to_lose(changes, cut, ways, chance) if time.monotonic() < end else ():
            left = place / "left"
            shutil.rmtree(left, ignore_errors=True)
            torn = {index for index in powercut.unsure(changes, cut) if chance.random() < 0.2}
            powercut.after_power_cut(changes, cut, lost, torn).write(left)
            shutil.copytree(run / "training" / "data", left / "training" / "data", dirs_exist_ok=True)
            found = newest(left / "training" / "base" / "checkpoints").checkpoint
            loadable = found is not None and subject.loadable(left)
            tally.add(loadable=loadable, equal=False)
            if loadable and chance.random() < 1 / ways:  # each takes a training
                resumed.add(loadable=True, equal=goes_on(subject, left, want))
    return tally, resumed


def _check_whole(changes: Sequence[powercut.Change], run: Path, place: Path) -> None:
    """The recording replayed whole is the folder as it lies there, so nothing escaped it but mapped memory."""
    powercut.after_power_cut(changes, len(changes), ()).write(place)
    for file in (path for path in run.rglob("*") if path.is_file() and "data" not in path.relative_to(run).parts[:2]):
        if (place / file.relative_to(run)).read_bytes() != file.read_bytes():
            raise RuntimeError(f"the recording is not complete: {file}")
    shutil.rmtree(place)


def measure(options: argparse.Namespace, place: Path) -> list[timing.Result]:
    """All kills of both, and the power cuts."""
    subjects: dict[str, Subject] = {"ours": Ours(), "peer": Peer()}
    tallies = {name: _killed(subjects[name], options, place / name) for name in options.subjects}
    found = list[timing.Result]()
    for title, what in (("loadable_share", "loadable"), ("bitwise_equal_share", "equal")):
        for how in ("", "calls", "moments", "power_cut" if what == "loadable" else "power_cut_resumed"):
            of = {name: _together(tally, how) for name, tally in tallies.items()}
            called = f"{title}_{how}".rstrip("_")
            shares = {name: tally.share(called, what, 1.0) for name, tally in of.items() if tally.kills}
            if "ours" in shares:
                found.append(replace(shares["ours"], peer=shares["peer"].value if "peer" in shares else None))
            elif shares:
                found.append(replace(shares["peer"], name=f"peer_{shares['peer'].name}", target=None))
    return found


def _killed(subject: Subject, options: argparse.Namespace, place: Path) -> dict[str, Tally]:
    """One training undisturbed and recorded, then all that can happen to it; first here, so that all is imported."""
    for name in ("warm", "straight", "again"):
        (place / name).mkdir(parents=True)
    end = time.monotonic() + 60 * options.minutes
    subject.run(place / "warm")
    want, run = subject.result(place / "warm"), place / "straight"
    began = time.monotonic()
    calls, code = syscalls.run_traced(lambda: subject.run(run), run)
    seconds = time.monotonic() - began
    if code != 0 or subject.result(run) != want or not goes_on(subject, place / "again", want):
        raise RuntimeError(f"undisturbed trainings of {type(subject).__name__} fail or differ")
    counted = sum(call.kind in syscalls.COUNTED for call in calls)
    at = range(1, min(options.calls, counted) + 1, options.stride)
    found = {"calls": kill_at_calls(subject, at, want, place, end)}
    found["moments"] = kill_at_moments(subject, options.moments, want, place, seconds, options.seed, end)
    if isinstance(subject, Ours):
        found["power_cut"], found["power_cut_resumed"] = cut_power(
            subject, calls, run, place, options.cuts, options.ways, end
        )
    return found


def _together(tallies: dict[str, Tally], how: str) -> Tally:
    """The kills of one kind; of both kinds without a name."""
    parts = [tally for name, tally in tallies.items() if name == how or (not how and not name.startswith("power_cut"))]
    return Tally(*(sum(getattr(part, key) for part in parts) for key in ("kills", "loadable", "equal")))


def main() -> None:
    """Kill, go on, and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke version of at most a minute")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line on stdout")
    parser.add_argument("--calls", type=int, default=200, help="kill at each of so many calls")
    parser.add_argument("--stride", type=int, default=1, help="or only at every so manieth")
    parser.add_argument("--moments", type=int, default=1000, help="kill at so many random moments")
    parser.add_argument("--cuts", type=int, default=400, help="cut the power after so many calls")
    parser.add_argument("--minutes", type=float, default=1e6, help="begin nothing new after so many")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    parser.add_argument("--subjects", nargs="+", choices=("ours", "peer"), default=["ours", "peer"])
    parser.add_argument("--ways", type=int, default=16, help="lose so many sets of calls at each")
    options = parser.parse_args()
    if options.quick:
        options.stride, options.moments, options.cuts, options.ways = 45, 4, 10, 4
    if not syscalls.available():
        sys.exit("This needs Linux on x86_64 or aarch64.")
    torch.set_num_threads(1)
    before = timing.load()
    place = Path(tempfile.mkdtemp(prefix="crash-"))
    try:
        results = measure(options, place)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    timing.report("crash", timing.device_name(torch.device("cpu")), results, as_json=options.json, before=before)
    broken = [result.name for result in results if result.target is not None and result.value < result.target]
    sys.exit(f"not always: {', '.join(broken)}" if broken else 0)


if __name__ == "__main__":
    main()
