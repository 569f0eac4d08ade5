"""Steps without a number and gradients far above the usual are on record with their samples."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tiny import Given, base_only

from dynaxx.train import Every, TrainStep, fit, train

EVENTS = "training/base/events.jsonl"


def test_a_spike_is_logged_with_its_samples_and_a_stop_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sample of 40 is a thousand times too large; batches of two meet it once an epoch."""
    signals = [torch.full((3, 4, 4), 1000.0 if i == 7 else 0.1) for i in range(40)]
    data = Given(signals, ["x"] * len(signals))
    settings = {"base__train__batch_size": 2, "base__train__steps": 45, "base__train__optimizer__lr": 1e-6}
    spec, every = base_only(**settings), Every(save=10, log=10, preview=10**6)
    steps: list[TrainStep] = []
    train(spec, data=data, out=tmp_path / "straight", every=every, on_step=steps.append)
    events = [json.loads(line) for line in (tmp_path / "straight" / EVENTS).read_text().splitlines()]
    assert len(events) >= 1
    for event in events:
        assert event["event"] == "spike"
        assert "s7" in event["samples"]
        assert event["grad_norm"] > fit.SPIKE * event["usual"] > 0
    assert [step.step for step in steps if step.event] == [event["step"] for event in events]

    def crash(step: TrainStep) -> None:
        if step.step == 31:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        train(spec, data=data, out=tmp_path / "broken", every=every, on_step=crash)
    train(spec, data=data, out=tmp_path / "broken", every=every)
    assert (tmp_path / "straight" / EVENTS).read_bytes() == (tmp_path / "broken" / EVENTS).read_bytes()


def test_a_skipped_step_is_logged_with_its_samples(tmp_path: Path) -> None:
    """float32 squares of 1e30 are infinite: so is the loss of each batch that holds the sample."""
    signals = [torch.full((3, 4, 4), 1e30 if i == 3 else 0.1) for i in range(8)]
    spec = base_only(base__train__batch_size=2, base__train__steps=12)
    steps: list[TrainStep] = []
    train(spec, data=Given(signals, ["x"] * 8), out=tmp_path, every=Every(preview=10**6), on_step=steps.append)
    events = [json.loads(line) for line in (tmp_path / EVENTS).read_text().splitlines()]
    assert [event["event"] for event in events] == ["skipped"] * 3
    assert all("s3" in event["samples"] for event in events)
    assert steps[-1].skipped == 3
