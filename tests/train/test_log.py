"""The log: means between lines, nothing twice after going on, trackers only where they are installed."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from dynaxx.errors import MissingExtraError
from dynaxx.train.log import Log, images_per_s, open_tracker
from dynaxx.train.step import TrainStep, by_level


def step(number: int, loss: float, level: str = "fine") -> TrainStep:
    return TrainStep("base", number, 10, loss, 1.0, 1e-3, 8 * number, 100.0 * number, by_level={level: loss})


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


FOUR = [step(1, 1.0), step(2, 3.0, "coarse"), step(3, 5.0), step(4, 7.0)]


def test_a_line_holds_the_means_since_the_one_before(tmp_path: Path) -> None:
    with Log(tmp_path, every=2, since=0) as log:
        for one in FOUR:
            log.add(one)
    first, second = lines(tmp_path / "log.jsonl")
    assert (first["step"], first["loss"], first["loss_fine"], first["loss_coarse"]) == (2, 2.0, 1.0, 3.0)
    assert (second["step"], second["loss"], second["loss_fine"]) == (4, 6.0, 6.0)
    assert "loss_coarse" not in second


def test_speed_stands_with_the_clock_and_not_in_the_log(tmp_path: Path) -> None:
    assert images_per_s(FOUR[:2]) == pytest.approx(2 / (1 / 100 + 1 / 200))
    with Log(tmp_path, every=2, since=0) as log:
        for one in FOUR[:2]:
            log.add(one)
    began, speed = lines(tmp_path / "times.jsonl")
    assert (began["step"], began["event"]) == (0, "began")
    assert speed["images_per_s"] == pytest.approx(2 / (1 / 100 + 1 / 200), abs=1e-3)
    assert "images_per_s" not in lines(tmp_path / "log.jsonl")[0]


def test_steps_that_wait_for_their_line_are_taken_up_again(tmp_path: Path) -> None:
    odd = TrainStep("base", 3, 10, float("nan"), float("inf"), 1e-3, 24, 1.0, 1, {"fine": float("nan")}, "skipped")
    steps = [*FOUR[:2], odd, FOUR[3]]
    for place, stop_at in (("straight", None), ("broken", 3)):
        log = Log(tmp_path / place, every=4, since=0)
        for one in steps:
            log.add(one)
            if one.step == stop_at:
                waiting = json.loads(json.dumps(log.waiting(), allow_nan=False))
                log.__exit__(None, None, None)
                log = Log(tmp_path / place, every=4, since=3, waiting=waiting)
        log.__exit__(None, None, None)
    for name in ("log.jsonl", "events.jsonl"):
        assert (tmp_path / "straight" / name).read_bytes() == (tmp_path / "broken" / name).read_bytes()
    assert lines(tmp_path / "broken/log.jsonl")[0]["loss"] == 11 / 3


def test_what_was_strange_is_told_with_its_samples(tmp_path: Path) -> None:
    spike = TrainStep("base", 7, 10, 1.0, 90.0, 1e-3, 56, 1.0, event="spike", usual=2.0, samples=("a", "b"))
    with Log(tmp_path, every=100, since=0) as log:
        log.add(spike)
    assert lines(tmp_path / "events.jsonl") == [
        {
            "stage": "base", "step": 7, "event": "spike", "loss": 1.0, "grad_norm": 90.0, "usual": 2.0,
            "samples": ["a", "b"],
        }
    ]  # fmt: skip


def test_going_on_drops_the_lines_after_the_checkpoint_and_one_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps({"step": n}) + "\n" for n in (1, 2, 3)) + '{"step": 4, "lo', "utf-8")
    with Log(tmp_path, every=1, since=2) as log:
        log.add(step(3, 1.0))
    assert [line["step"] for line in lines(path)] == [1, 2, 3]


def test_a_damaged_line_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1}\n{"step": 2, "lo{"step": 3}\n{"loss": 1}\n{"step": 4}\n', "utf-8")
    with Log(tmp_path, every=1, since=9):
        pass
    assert [line["step"] for line in lines(path)] == [1, 4]


def test_a_mean_of_nothing_finite_is_no_number(tmp_path: Path) -> None:
    with Log(tmp_path, every=1, since=0) as log:
        log.add(step(1, float("nan")))
    (line,) = lines(tmp_path / "log.jsonl")
    assert (line["loss"], line["loss_fine"], line["grad_norm"]) == (None, None, 1.0)


def test_losses_are_told_apart_by_the_level_of_noise() -> None:
    found = by_level(torch.tensor([1.0, 2.0, 4.0, 6.0]), torch.tensor([float("inf"), 0.0, -2.5, float("-inf")]))
    assert found == {"fine": 1.0, "middle": 2.0, "coarse": 5.0}


def test_time_left_follows_from_the_speed() -> None:
    assert step(5, 1.0).left_s == pytest.approx(8 * 5 / 500.0)


@pytest.mark.skipif(find_spec("trackio") is not None, reason="trackio is installed")
def test_a_tracker_that_is_missing_names_its_extra(tmp_path: Path) -> None:
    with pytest.raises(
        MissingExtraError, match=r"trackio is not installed. Install it with `pip install 'dynaxx\[track\]'`"
    ):
        open_tracker("trackio", tmp_path)
