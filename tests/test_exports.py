"""The front door: small, true, and instant."""

from __future__ import annotations

import subprocess
import sys

import pytest

import dynaxx

HEAVY = ("torch", "diffusers", "transformers", "numpy", "PIL")


def loaded_by(code: str) -> set[str]:
    """Which heavy packages a fresh interpreter holds after running `code`."""
    report = f"import sys\n{code}\nprint('loaded:', *[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split()[1:])


@pytest.mark.parametrize("name", dynaxx.__all__)
def test_name_is_there_and_is_itself(name: str) -> None:
    assert getattr(dynaxx, name).__name__ == name


def test_names_are_sorted_and_listed() -> None:
    assert list(dynaxx.__all__) == sorted(dynaxx.__all__)
    assert set(dynaxx.__all__) < set(dir(dynaxx))


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="no attribute 'cascade_maker'"):
        _ = dynaxx.cascade_maker


@pytest.mark.parametrize(
    "code",
    [
        "import dynaxx; dynaxx.load, dynaxx.CascadeSpec",
        "import dynaxx.cli",
        "import dynaxx.cli.app",
        "import dynaxx.cli as cli; cli.run(['--help'])",
    ],
)
def test_nothing_heavy_is_loaded(code: str) -> None:
    assert loaded_by(code) == set()
