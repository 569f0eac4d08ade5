from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dynaxx.errors import RunError
from dynaxx.store.atomic import write_bytes, write_text


def test_writes_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "größer 🍎")
    assert path.read_text("utf-8") == "größer 🍎"
    write_bytes(path, b"\x00new")
    assert path.read_bytes() == b"\x00new"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_permissions_are_those_of_an_ordinary_or_of_the_replaced_file(tmp_path: Path) -> None:
    plain, ours = tmp_path / "plain", tmp_path / "ours"
    plain.write_text("x")
    write_text(ours, "x")
    assert ours.stat().st_mode == plain.stat().st_mode
    ours.chmod(0o600)
    write_text(ours, "y")
    assert ours.stat().st_mode & 0o777 == 0o600


def test_link_is_kept_and_its_target_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gone/a.txt", r"gone/a\.txt: cannot be written: no such file.*make it first"),
        ("file/a.txt", r"file/a\.txt: cannot be written: not a directory.*choose another name"),
        ("folder", r"folder: cannot be written: is a directory.*or remove it"),
        ("n" * 300, "cannot be written: file name too long.*shorter name"),
    ],
)
def test_names_path_and_way_out(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(RunError, match=message):
        write_text(tmp_path / name, "y")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_folder_that_may_not_be_written(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"cannot be written: .*(Choose a folder you may write to|make it first)"):
        write_text("/proc/dynaxx.txt" if sys.platform == "linux" else "/System/dynaxx.txt", "y")


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits on file sizes")
def test_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    """A real write that runs out of room: the limit on file sizes makes the system refuse it half way."""
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    script = (
        "import resource, signal, sys\n"
        "from dynaxx.errors import RunError\n"
        "from dynaxx.store.atomic import write_bytes\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try:\n    write_bytes(sys.argv[1], b'x' * 100_000)\n"
        "except RunError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    assert "a.bin: cannot be written: file too large" in done.stdout
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_killed_writer_never_leaves_a_torn_file(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    size = 1 << 20
    script = (
        "import sys\nfrom dynaxx.store.atomic import write_bytes\n"
        f"n = 0\nwhile True:\n    write_bytes(sys.argv[1], bytes([n % 256]) * {size})\n    n += 1\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(path)]) as writer:
        while not path.exists():
            time.sleep(0.01)
        for _ in range(50):
            data = path.read_bytes()
            assert len(data) == size
            assert data == data[:1] * size
        writer.send_signal(signal.SIGKILL)
    data = path.read_bytes()
    assert data == data[:1] * size
