"""What a parent makes of the data: made in parts that survive a stop, and made anew when the parent changes."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from tiny import tiny

from dynaxx.errors import StoppedError
from dynaxx.train import Every, generated, train

EVERY = Every(preview=10**6)
SETTINGS = {"base__train__steps": 2, "bridge__train__steps": 2, "bridge__train__generated": 1.0}


def files(out: Path) -> list[Path]:
    return sorted((out / "training/bridge/generated/base").iterdir())


def test_a_stop_half_way_loses_one_part_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generated, "BATCH", 3)  # 16 samples: six parts
    spec, calls, real = tiny(**SETTINGS), list[range](), generated._answer

    def counted(node, stage, sizes, material, rows, device):
        calls.append(rows)
        if len(calls) == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(node, stage, sizes, material, rows, device)

    monkeypatch.setattr(generated, "_answer", counted)
    with pytest.raises(
        StoppedError, match=r"stage 'base', what 'bridge' learns from: stopped by SIGTERM; all is saved"
    ):
        train(spec, out=tmp_path / "broken", every=EVERY)
    assert [rows.start for rows in calls] == [0, 3, 6, 9]
    assert [path.name[0] for path in files(tmp_path / "broken")] == ["."]
    train(spec, out=tmp_path / "broken", every=EVERY)
    assert [rows.start for rows in calls[4:]] == [9, 12, 15]
    monkeypatch.setattr(generated, "_answer", real)
    train(spec, out=tmp_path / "straight", every=EVERY)
    (one,), (other,) = files(tmp_path / "straight"), files(tmp_path / "broken")
    assert one.name == other.name
    assert one.read_bytes() == other.read_bytes()
    assert np.load(one, allow_pickle=False).shape == (16, 3, 4, 4)


def test_another_solver_of_the_parent_makes_them_anew(tmp_path: Path) -> None:
    train(tiny(**SETTINGS), out=tmp_path, every=EVERY)
    (before,) = files(tmp_path)
    train(tiny(**SETTINGS | {"bridge__train__steps": 3}, base__solver__steps=3), out=tmp_path, every=EVERY)
    (after,) = files(tmp_path)
    assert before.name != after.name
    assert not before.exists()
