"""The kills behind the promise: a few of each here, all of them under `make soak`; and the instruments themselves."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import powercut
import pytest
import syscalls

from dynaxx.store.atomic import write_bytes

ROOT = Path(__file__).parents[2]
traced = pytest.mark.skipif(not syscalls.available(), reason="needs Linux on x86_64 or aarch64")


def benchmark(name: str, *options: str) -> dict[str, dict]:
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    arguments = [sys.executable, str(ROOT / "benchmarks" / name), "--quick", "--json", *options]
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return {result["name"]: result for result in json.loads(done.stdout.splitlines()[-1])["results"]}


@traced
def test_nothing_is_lost_to_kills_and_power_cuts() -> None:
    found = benchmark("crash.py", "--subjects", "ours")
    assert {name for name, result in found.items() if result["value"] != 1.0} == set()
    assert min(found[f"loadable_share_{how}"]["n"] for how in ("calls", "moments", "power_cut")) >= 4
    assert found["bitwise_equal_share_power_cut_resumed"]["n"] >= 2


@traced
@pytest.mark.slow
def test_the_peer_meets_the_same_kills() -> None:
    found = benchmark("crash.py", "--subjects", "peer")
    assert found["peer_loadable_share_calls"]["n"] > 0
    assert found["peer_bitwise_equal_share"]["value"] < 1


@pytest.mark.slow
def test_a_save_behind_the_training_is_measured() -> None:
    found = benchmark("checkpoint.py")
    assert found["stall_ratio"]["target"] == 0.5
    assert 0 < found["stall_vs_waiting"]["value"] < 1
    assert found["state"]["value"] == pytest.approx(8, rel=0.1)


@pytest.mark.slow
def test_an_hour_in_small() -> None:
    found = benchmark("soak.py")
    assert [found[f"{name}_growth"]["value"] for name in ("files", "threads")] == [0, 0]


def work(folder: Path) -> None:
    """A file written by another thread, another replaced, a folder removed."""
    inner = folder / "inner"
    inner.mkdir()
    thread = threading.Thread(target=write_bytes, args=(inner / "one", b"first"))
    thread.start()
    thread.join()
    write_bytes(folder / "two", b"second")
    write_bytes(folder / "two", b"third")
    (folder / "gone").mkdir()
    (folder / "gone" / "file").write_bytes(b"x")
    shutil.rmtree(folder / "gone")
    with (folder / "lines").open("ab") as file:
        for text in (b"a", b"b"):
            file.write(text)
            file.flush()


@traced
def test_the_recording_is_what_happened(tmp_path: Path) -> None:
    run, again = tmp_path / "run", tmp_path / "again"
    run.mkdir()
    calls, code = syscalls.run_traced(lambda: work(run), run)
    assert code == 0
    changes = powercut.changes_of(calls, run)
    powercut.after_power_cut(changes, len(changes), ()).write(again)
    found = {path.relative_to(again): path.read_bytes() for path in again.rglob("*") if path.is_file()}
    assert found == {Path("inner/one"): b"first", Path("two"): b"third", Path("lines"): b"ab"}
    assert {path.name for path in again.iterdir()} == {"inner", "two", "lines"}


@traced
def test_whatever_is_lost_a_replaced_file_is_the_old_one_or_the_new(tmp_path: Path) -> None:
    """What `write_bytes` says, held against every set of unsynced calls at every moment."""
    run, left, chance = tmp_path / "run", tmp_path / "left", random.Random(0)
    run.mkdir()
    changes = powercut.changes_of(syscalls.run_traced(lambda: work(run), run)[0], run)
    renames = [i for i, change in enumerate(changes) if change.to_name == "two"]
    for cut in range(renames[0] + 2, len(changes) + 1):
        for lost in powercut.ways_to_lose(changes, cut, 16, chance):
            shutil.rmtree(left, ignore_errors=True)
            powercut.after_power_cut(changes, cut, lost).write(left)
            assert (left / "two").read_bytes() in ([b"second", b"third"] if cut < renames[1] + 2 else [b"third"])


@traced
def test_a_careless_writer_is_caught(tmp_path: Path) -> None:
    """Written in place and not synced: some set of lost calls must leave it torn, or the model could not fail."""
    run, chance, seen = tmp_path / "run", random.Random(0), set[bytes]()
    run.mkdir()

    def careless() -> None:
        (run / "file").write_bytes(b"0123456789")

    changes = powercut.changes_of(syscalls.run_traced(careless, run)[0], run)
    for lost in powercut.ways_to_lose(changes, len(changes), 64, chance):
        disk = powercut.after_power_cut(changes, len(changes), lost, torn=range(len(changes)))
        node = disk.find("file")
        seen.add(b"gone" if node is None else bytes(disk.files.get(node, b"")))
    assert {b"", b"01234", b"gone"} <= seen


@traced
def test_a_child_is_killed_before_the_call_that_is_asked_for(tmp_path: Path) -> None:
    found = []
    for number in (1, 2, 3):
        run = tmp_path / str(number)
        run.mkdir()
        calls, code = syscalls.run_traced(partial(write_bytes, run / "a", b"whole"), run, kill_at=number, torn=True)
        assert code is None
        found.append([call.kind for call in calls if call.kind in syscalls.COUNTED])
        (part,) = run.iterdir()
        assert part.read_bytes() == (b"wh" if number == 1 else b"whole")
    assert found == [[], ["write"], ["write", "sync"]]
