"""What a tracker is told is what the log holds: read back from TensorBoard's own files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny import base_only

from dynaxx.train import Every, train


def test_tensorboard_holds_what_the_log_holds(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(base_only(base__train__steps=4), out=tmp_path, every=Every(log=2), report_to="tensorboard")
    lines = [json.loads(line) for line in (tmp_path / "training" / "base" / "log.jsonl").read_text().splitlines()]
    (file,) = tmp_path.rglob("events.out.tfevents.*")
    events = EventAccumulator(str(file.parent))
    events.Reload()
    told = [(event.step, event.value) for event in events.Scalars("base/loss")]
    assert [step for step, _ in told] == [line["step"] for line in lines] == [2, 4]
    assert [value for _, value in told] == pytest.approx([line["loss"] for line in lines])
