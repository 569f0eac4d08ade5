"""Saving goes on behind the training: one writer at a time, what fails is told, what is asked for is on disk."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import torch

from dynaxx.errors import RunError
from dynaxx.train.checkpoint import checkpoints, newest
from dynaxx.train.writer import Saved, Writer


def tensors(value: float) -> dict[str, dict[str, torch.Tensor]]:
    return {"network": {"w": torch.full((5,), value)}}


def test_training_goes_on_while_it_is_written(tmp_path: Path) -> None:
    gate, done = threading.Event(), list[Saved]()
    w = torch.zeros(5)
    with Writer(tmp_path, first=lambda: gate.wait() and None, done=done.append) as writer:
        writer.save(1, {"network": {"w": w}}, {"step": 1})
        w += 1  # the step after, while nothing is on disk
        assert checkpoints(tmp_path) == []
        gate.set()
    found = newest(tmp_path).checkpoint
    assert found is not None
    assert found.tensors["network"]["w"].tolist() == [0, 0, 0, 0, 0]
    assert [(saved.step, saved.path.name) for saved in done] == [(1, "step-00000001")]


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    writing, most = [0], [0]
    lock = threading.Lock()

    def first() -> None:
        with lock:
            writing[0] += 1
            most[0] = max(most[0], writing[0])

    def done(saved: Saved) -> None:
        with lock:
            writing[0] -= 1

    with Writer(tmp_path, first=first, done=done) as writer:
        for step in range(1, 6):
            writer.save(step, tensors(step), {"step": step})
    assert most == [1]
    assert [path.name for path in checkpoints(tmp_path)] == ["step-00000005", "step-00000004"]


def test_what_fails_behind_is_raised_in_front(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    with Writer(folder) as writer:
        writer.save(1, tensors(1), {"step": 1})
        writer.wait()
        folder.rename(tmp_path / "moved")
        writer.save(2, tensors(2), {"step": 2})
        with pytest.raises(RunError, match="step-00000002: cannot be written: no such file.*make it first"):
            writer.wait()
        writer.wait()  # told once
    assert newest(tmp_path / "moved").checkpoint is not None


def test_an_error_in_front_is_not_hidden_and_what_was_given_is_kept(tmp_path: Path) -> None:
    def fails() -> None:
        with Writer(tmp_path) as writer:
            writer.save(1, tensors(1), {"step": 1})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert newest(tmp_path).checkpoint is not None


def test_ctrl_c_waits_for_nothing(tmp_path: Path) -> None:
    gate = threading.Event()

    def interrupted() -> None:
        with Writer(tmp_path, first=lambda: gate.wait() and None) as writer:
            writer.save(1, tensors(1), {"step": 1})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert checkpoints(tmp_path) == []
    gate.set()


def test_a_save_after_one_that_failed_is_tried(tmp_path: Path) -> None:
    full = [OSError(28, "No space left on device")] * 2

    def first() -> None:
        if full:
            raise full.pop()

    with Writer(tmp_path, first=first) as writer:
        writer.save(1, {"network": {"w": torch.zeros(2)}}, {"step": 1})
        writer.save(2, {"network": {"w": torch.ones(2)}}, {"step": 2})
    found = newest(tmp_path).checkpoint
    assert found is not None
    assert found.state["step"] == 2
