"""Full, read-only and vanished disks, a second process, another recipe: said clearly, and nothing is lost."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tiny import base_only

from dynaxx.errors import RunError
from dynaxx.store.lock import locked
from dynaxx.train import Every, TrainStep, train
from dynaxx.train.checkpoint import newest

EVERY = Every(save=2, log=3, preview=10**6)
RESULTS = ("stages/base/diffusion_pytorch_model.safetensors", "training/base/log.jsonl")
SPEC = base_only(base__train__steps=6)


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """What a training that nobody disturbed ends with."""
    folder = tmp_path_factory.mktemp("straight")
    train(SPEC, out=folder, every=EVERY)
    return results(folder)


def results(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in RESULTS]


def after_save(folder: Path, act: Callable[[], object]) -> Callable[[TrainStep], None]:
    """At step 3, when the checkpoint of step 2, written behind the training, is on disk."""

    def on_step(taken: TrainStep) -> None:
        end = time.monotonic() + 60
        while taken.step == 3 and '"saved"' not in (folder / "training/base/times.jsonl").read_text("utf-8"):
            assert time.monotonic() < end
            time.sleep(0.01)
        if taken.step == 3:
            act()

    return on_step


def saved(folder: Path) -> int:
    found = newest(folder / "training/base/checkpoints").checkpoint
    assert found is not None
    return found.state["step"]


def test_where_files_may_grow_no_more_the_last_checkpoint_stays(tmp_path: Path, straight: list[bytes]) -> None:
    """A limit on the size of files makes the system refuse a real write half-way, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        limit = after_save(tmp_path, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8192, before[1])))
        with pytest.raises(RunError, match=r"step-00000004.*cannot be written: file too large"):
            train(SPEC, out=tmp_path, every=EVERY, on_step=limit)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert saved(tmp_path) == 2
    assert not list((tmp_path / "training/base/checkpoints").glob(".*"))
    train(SPEC, out=tmp_path, every=EVERY)
    assert results(tmp_path) == straight


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of sixteen megabytes in memory; only root may make one."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(place)]
    if not hasattr(os, "geteuid") or os.geteuid() or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("needs the right to mount")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_is_told_and_goes_on_when_there_is_room(small_disk: Path, straight: list[bytes]) -> None:
    filler, run = small_disk / "filler", small_disk / "run"

    def fill() -> None:
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)

    with pytest.raises(RunError, match=r"cannot be .*: no space left on device. The disk is full: free some space"):
        train(SPEC, out=run, every=EVERY, on_step=after_save(run, fill))
    assert saved(run) == 2
    filler.unlink()
    train(SPEC, out=run, every=EVERY)
    assert results(run) == straight


def test_a_read_only_disk_is_told(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(RunError, match=r"run: cannot be made: read-only file system. The disk is read-only"):
        train(SPEC, out=small_disk / "run", every=EVERY)


def test_a_folder_that_was_moved_meanwhile_is_told_and_is_whole(tmp_path: Path, straight: list[bytes]) -> None:
    run, moved = tmp_path / "run", tmp_path / "moved"
    with pytest.raises(RunError, match=r"run: was moved or removed while this process wrote to it. Put it back"):
        train(SPEC, out=run, every=EVERY, on_step=after_save(run, lambda: run.rename(moved)))
    assert not run.exists()
    assert saved(moved) == 2
    train(SPEC, out=moved, every=EVERY)
    assert results(moved) == straight


def test_a_folder_that_is_gone_is_told_and_not_made_again(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(RunError, match=r"run: was moved or removed"):
        train(SPEC, out=run, every=EVERY, on_step=after_save(run, lambda: shutil.rmtree(run)))
    assert not run.exists()


def test_a_second_training_is_refused_before_it_changes_anything(tmp_path: Path) -> None:
    with (
        locked(tmp_path / "training" / ".lock", folder=tmp_path, what="training"),
        pytest.raises(RunError, match=rf"another training is writing here \(process {os.getpid()}\)"),
    ):
        train(SPEC, out=tmp_path, every=EVERY)
    assert [path.name for path in tmp_path.rglob("*")] == ["training", ".lock"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"base__train__batch_size": 16}, r"train.batch_size was 8, is 16"),
        ({"base__network__width": 24, "base__train__seed": 3}, r"network.width was 16, is 24; train.seed was .*, is 3"),
        ({"data": {"kind": "shapes", "count": 17, "size": [8, 8]}}, r"data.count was 16, is 17"),
    ],
)
def test_what_is_different_is_named(tmp_path: Path, settings: dict, said: str) -> None:
    with pytest.raises(InterruptedError):
        train(SPEC, out=tmp_path, every=EVERY, on_step=after_save(tmp_path, _crash))
    with pytest.raises(RunError, match=rf"step-00000002: is a checkpoint of another recipe \({said}\). Choose another"):
        train(base_only(**{"base__train__steps": 6} | settings), out=tmp_path, every=EVERY)
    assert saved(tmp_path) == 2


def test_other_threads_go_on_and_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InterruptedError):
        train(SPEC, out=tmp_path, every=EVERY, on_step=after_save(tmp_path, _crash))
    monkeypatch.setattr("torch.get_num_threads", lambda: 77)
    notes: list[str] = []
    train(SPEC, out=tmp_path, every=EVERY, on_note=notes.append)
    assert "base goes on from step 2 (the same up to rounding only: threads 1 before, 77 now)." in notes


def _crash() -> None:
    raise InterruptedError
