"""The device's C++, compiled once for this torch and kept in the user's cache."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import torch

SOURCE = Path(__file__).with_name("device.cpp")
PARTS = [*sorted(SOURCE.parent.glob("*.h")), SOURCE]
FLAGS = ("-std=c++20", "-O1", "-fPIC", "-shared")
TORCH = Path(torch.__file__).parent


def missing() -> str:
    """What this machine lacks to compile the device; nothing where it has all."""
    if sys.platform != "linux":
        return "the soft device is compiled on Linux only"
    if not hasattr(torch, "accelerator") or not hasattr(torch.accelerator, "get_memory_info"):
        return f"the soft device needs torch 2.10 or newer: this is {torch.__version__}"
    return "" if shutil.which(_compiler()) else f"the soft device needs a C++ compiler: there is no {_compiler()} here"


def compiled() -> Path:
    """The library, compiled on first use; of several processes one compiles and the others wait.

    Raises:
        RuntimeError: with the compiler's words, if it fails.
    """
    said = "\n".join([*(part.read_text("utf-8") for part in PARTS), *FLAGS, torch.__version__, _compiler()])
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dynaxx" / "soft-device"
    folder.mkdir(parents=True, exist_ok=True)
    library = folder / f"{hashlib.sha256(said.encode()).hexdigest()[:16]}.so"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not library.exists():
            _compile(library)
    return library


def _compile(library: Path) -> None:
    unfinished = library.with_suffix(f".{os.getpid()}")
    headers = [f"-isystem{TORCH / path}" for path in ("include", "include/torch/csrc/api/include")]
    command = [_compiler(), *FLAGS, *headers, str(SOURCE), "-o", str(unfinished)]
    done = subprocess.run(
        [*command, f"-L{TORCH / 'lib'}", "-lc10", "-ltorch_cpu"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{SOURCE.name} does not compile:\n{done.stderr}")
    unfinished.replace(library)


def _compiler() -> str:
    return os.environ.get("CXX", "g++")
