"""One writer per folder, held against a real second process, and let go of when that is killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dynaxx.errors import RunError
from dynaxx.store.lock import locked

HOLD = """
import sys
from pathlib import Path
from dynaxx.store.lock import locked
with locked(Path(sys.argv[1]), folder=Path(sys.argv[2]), what="training"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds `tmp_path/training/.lock`."""
    arguments = [sys.executable, "-c", HOLD, str(tmp_path / "training" / ".lock"), str(tmp_path)]
    process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_second_process_keeps_out_until_the_first_is_gone(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    lock = tmp_path / "training" / ".lock"
    said = rf"{tmp_path}: another training is writing here \(process {holder.pid}\). Wait for its end"
    with pytest.raises(RunError, match=said), locked(lock, folder=tmp_path, what="training"):
        pass
    holder.kill()
    holder.wait()
    with locked(lock, folder=tmp_path, what="training"):
        assert lock.exists()


@pytest.mark.parametrize("how", ["moved", "removed", "made anew"])
def test_a_folder_that_is_not_the_one_that_was_locked_is_told(tmp_path: Path, how: str) -> None:
    run = tmp_path / "run"
    with locked(run / ".lock", folder=run, what="training") as lock:
        lock.check()
        run.rename(tmp_path / "elsewhere")
        if how == "removed":
            (tmp_path / "elsewhere" / ".lock").unlink()
        if how == "made anew":
            run.mkdir()
            (run / ".lock").write_text("")
        with pytest.raises(RunError, match=r"run: was moved or removed while this process wrote to it. Put it back"):
            lock.check()
