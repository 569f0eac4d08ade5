"""The front door: small, true, and instant."""

from __future__ import annotations

import subprocess
import sys

import pytest

import dynaxx

HEAVY = ("torch", "diffusers", "transformers", "numpy", "PIL")
NEEDLESS = ("peft", "scipy", "diffusers.hooks")
"""A second and 60 MB, which own networks have no use for; diffusers imports them where one of its models is moved."""


def loaded_by(code: str) -> set[str]:
    """Which heavy packages a fresh interpreter holds after running `code`."""
    report = f"import sys\n{code}\nprint('loaded:', *[m for m in {HEAVY + NEEDLESS!r} if m in sys.modules])"
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


@pytest.mark.parametrize(
    "code",
    [
        "dynaxx.Cascade.from_pretrained('emoji-64').with_settings({'base.solver.steps': 1}).sample(['pizza'])",
        "import torch; from dynaxx.engine.cascade import Cascade; from dynaxx.stage.layout import lay_out\n"
        "network = {'width': 8, 'mults': [1], 'attention': []}; out = {'size': [8, 8]}\n"
        "spec = dynaxx.CascadeSpec(name='x', stages=[{'name': 's', 'role': 'base', 'network': network, 'out': out}])\n"
        "stage = Cascade.from_spec(spec, fresh=True).stages['s']; lay_out(stage.network, (8, 8), torch.device('cpu'))",
    ],
)
def test_networks_of_ours_are_moved_without_what_they_do_not_need(code: str) -> None:
    found = loaded_by(f"import dynaxx\n{code}")
    assert "diffusers" in found
    assert not found & set(NEEDLESS)
