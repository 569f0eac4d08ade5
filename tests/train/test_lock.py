"""One training per folder, held against a real second process, and let go of when that is killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tiny import base_only

from dynaxx.errors import RunError
from dynaxx.train import train
from dynaxx.train.lock import locked

HOLD = """
import sys
from pathlib import Path
from dynaxx.train.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_keeps_out_until_the_first_is_gone(tmp_path: Path) -> None:
    lock = tmp_path / "training" / ".lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RunError, match=rf"another training is writing here \(process {holder.pid}\). Wait"):
            train(base_only(), out=tmp_path)
        assert not (tmp_path / "cascade.yaml").exists()
    finally:
        holder.kill()
        holder.communicate()
    with locked(lock):
        assert lock.exists()
