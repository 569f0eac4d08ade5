"""Ctrl-C at any moment: one line, exit code 130, nothing of Python's own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

BEGIN = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "  # whatever started the tests
    "print('begun', flush=True); from dynaxx.cli import main; main()"
)
LONG = ("sample", "emoji-exact", "--prompt", "pizza", "--num", "400", "--batch", "400", "--out")


def interrupted(after_s: float, *arguments: str) -> tuple[int, str, str]:
    process = subprocess.Popen(
        [sys.executable, "-c", BEGIN, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "begun\n"
    time.sleep(after_s)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.mark.parametrize("after_s", [0.05, 0.15, 0.3, 0.6, 1.0, 1.5, 4.0])
def test_one_line(tmp_path_factory: pytest.TempPathFactory, after_s: float) -> None:
    folder = str(tmp_path_factory.mktemp("out") / "samples")
    assert interrupted(after_s, *LONG, folder) == (130, "", "dynaxx: interrupted\n")


@pytest.mark.parametrize("after_s", [0.1, 0.8, 4.0])
def test_one_object(tmp_path_factory: pytest.TempPathFactory, after_s: float) -> None:
    folder = str(tmp_path_factory.mktemp("out") / "samples")
    code, out, err = interrupted(after_s, *LONG, folder, "--json")
    assert (code, err) == (130, "dynaxx: interrupted\n")
    assert json.loads(out)["error"] == {"kind": "Interrupted", "message": "interrupted", "exit_code": 130}


def test_the_entry_imports_the_standard_library_alone() -> None:
    code = "import sys; import dynaxx.cli; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=False,
                          env={"PYTHONPATH": "src"})  # fmt: skip
    assert done.returncode == 0, done.stderr
    names = set(done.stdout.split()) - {"dynaxx", "__main__"}
    assert names <= sys.stdlib_module_names


def test_outside_the_main_thread_it_runs_all_the_same() -> None:
    code = (
        "import threading; from dynaxx.cli import run; codes = []; "
        "t = threading.Thread(target=lambda: codes.append(run(['check', 'emoji-exact']))); t.start(); t.join(); "
        "raise SystemExit(codes[0])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
