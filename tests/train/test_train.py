"""Training end to end, in process: it learns, goes on exactly where it stopped, and refuses what it cannot use."""

from __future__ import annotations

import json
import os
import signal
from functools import partial
from pathlib import Path

import pytest
import torch
from tiny import Given, base_only, halves, tiny

from dynaxx.engine.cascade import Cascade
from dynaxx.errors import DataError, RunError, SpecError, StoppedError, UsageError
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.train import Every, TrainStep, train
from dynaxx.train.checkpoint import checkpoints, newest

LOG = "training/base/log.jsonl"


class StopError(Exception):
    """Raised from a callback: what a crash looks like from inside."""


def checkpoint(out: Path, name: str = "base") -> dict:
    found = newest(out / "training" / name / "checkpoints").checkpoint
    assert found is not None
    return {f"{file}/{key}": value for file, part in found.tensors.items() for key, value in part.items()}


def crash_at(step: int):
    def on_step(taken: TrainStep) -> None:
        if taken.step == step:
            raise StopError

    return on_step


def log(out: Path, name: str = "base") -> list[dict]:
    return [json.loads(line) for line in (out / "training" / name / "log.jsonl").read_text().splitlines()]


def test_two_pictures_are_learned_and_asked_for_by_name(tmp_path: Path) -> None:
    """An answer of zero to v has a loss of 1 here; samples of each name must be that picture."""
    spec = base_only(
        base__out={"size": [8, 8], "channels": 1}, base__train__steps=150, base__train__batch_size=32,
        base__train__optimizer__decay="cosine", base__solver__steps=12,
    )  # fmt: skip
    losses: list[float] = []
    train(spec, data=halves(1), out=tmp_path, every=Every(preview=10**6), on_step=lambda step: losses.append(step.loss))
    assert sum(losses[:5]) / 5 > 0.5
    assert sum(losses[-25:]) / 25 < 0.1
    drawn = Cascade.from_pretrained(tmp_path).sample(["left", "top"], num=4).x
    truth = torch.stack([halves(1)[i].x for i in (0, 0, 0, 0, 1, 1, 1, 1)])
    assert (drawn - truth).abs().mean((1, 2, 3)).max() < 0.15
    assert (tmp_path / "training/base/samples/step-00000150.png").exists()
    assert (tmp_path / "samples.png").exists()


def test_a_crash_and_the_same_call_again_give_the_same_bits(tmp_path: Path) -> None:
    spec = base_only(base__network__dropout=0.1, base__train__accumulate=2)
    straight, broken, every = tmp_path / "straight", tmp_path / "broken", Every(log=5, save=10, preview=10)
    train(spec, out=straight, every=every)
    with pytest.raises(StopError):
        train(spec, out=broken, every=every, on_step=crash_at(13))
    notes: list[str] = []
    train(spec, out=broken, every=every, on_note=notes.append)
    assert "base goes on from step 10." in notes
    one, other = checkpoint(straight), checkpoint(broken)
    assert one.keys() == other.keys()
    assert {"network", "ema", "optimizer"} == {key.split("/")[0] for key in one}
    assert [key for key in one if not torch.equal(one[key], other[key])] == []
    weights = "stages/base/diffusion_pytorch_model.safetensors"
    assert (straight / weights).read_bytes() == (broken / weights).read_bytes()
    assert len(log(straight)) == 4
    assert (straight / LOG).read_bytes() == (broken / LOG).read_bytes()


def test_lines_that_were_waiting_at_a_stop_are_the_same_bits_too(tmp_path: Path) -> None:
    spec, straight, broken, every = base_only(), tmp_path / "straight", tmp_path / "broken", Every(log=8)
    train(spec, out=straight, every=every)
    for step in (3, 11, 12):
        with pytest.raises(StoppedError):
            train(spec, out=broken, every=every, on_step=partial(kill_at, step))
    train(spec, out=broken, every=every)
    assert [line["step"] for line in log(broken)] == [8, 16, 20]
    assert (straight / LOG).read_bytes() == (broken / LOG).read_bytes()
    times = [json.loads(line) for line in (broken / LOG.replace("log.", "times.")).read_text().splitlines()]
    assert [(line["step"], line["event"]) for line in times if "event" in line] == [
        (0, "began"), (3, "saved"), (3, "began"), (11, "saved"), (11, "began"), (12, "saved"), (12, "began"),
        (20, "saved"),
    ]  # fmt: skip


def kill_at(step: int, taken: TrainStep) -> None:
    if taken.step == step:
        os.kill(os.getpid(), signal.SIGTERM)


def test_a_damaged_checkpoint_is_passed_over_by_name(tmp_path: Path) -> None:
    spec, every = base_only(), Every(save=5)
    with pytest.raises(StopError):
        train(spec, out=tmp_path, every=every, on_step=crash_at(13))
    damaged = tmp_path / "training/base/checkpoints/step-00000010/ema.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-4])
    notes: list[str] = []
    train(spec, out=tmp_path, every=every, on_note=notes.append)
    assert any("step-00000010/ema.safetensors: is cut short" in note for note in notes)
    assert "base goes on from step 5." in notes


@pytest.mark.parametrize(("kind", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_step_saves_and_says_so(tmp_path: Path, kind: signal.Signals, code: int) -> None:
    before = signal.getsignal(kind)
    said = rf"stage 'base', step 3: stopped by {kind.name}; all is saved, \d.\d s after the signal. The same command"
    with pytest.raises(StoppedError, match=said) as stopped:
        train(base_only(), out=tmp_path, on_step=lambda step: step.step == 3 and os.kill(os.getpid(), kind))
    assert stopped.value.exit_code == code
    assert signal.getsignal(kind) == before
    assert (tmp_path / "training/base/checkpoints/step-00000003/manifest.json").exists()


def test_finished_stages_are_skipped_and_longer_trainings_go_on(tmp_path: Path) -> None:
    first = train(tiny(), out=tmp_path)
    assert (list(first.stages), first.skipped) == (["base", "bridge"], ())
    again = train(tiny(), out=tmp_path)
    assert again.skipped == ("base", "bridge")
    assert again.stages == first.stages
    steps: list[int] = []
    longer = train(
        tiny(base__train__steps=24), out=tmp_path, stages=["base"], on_step=lambda step: steps.append(step.step)
    )
    assert steps == [21, 22, 23, 24]
    assert longer.stages["base"]["steps"] == 24


def test_the_folder_is_a_cascade_with_its_lineage(tmp_path: Path) -> None:
    made = train(tiny(bridge__train__generated=0.5), out=tmp_path).stages
    assert made["bridge"]["upstream"] == {"base": made["base"]["weights_id"]}
    assert made["base"]["data"] == made["bridge"]["data"]
    assert (made["base"]["steps"], made["base"]["images"]) == (20, 160)
    for name in ("base", "bridge"):
        files = {path.name for path in (tmp_path / "stages" / name).iterdir()}
        assert files == {"config.json", "diffusion_pytorch_model.safetensors", "contract.json", "lineage.json"}
    assert Cascade.from_pretrained(tmp_path).sample("a small red circle").x.shape == (1, 3, 8, 8)
    assert list((tmp_path / "training/bridge/generated/base").glob("*.npy"))


def test_batches_do_not_matter_to_what_is_seen(tmp_path: Path) -> None:
    """Sixteen at once, or two times eight accumulated: the same samples at the same levels, so the same weights."""
    levels = {"base__train__levels__kind": "uniform", "base__train__steps": 4}
    train(base_only(base__train__batch_size=16, **levels), out=tmp_path / "one")
    train(base_only(base__train__accumulate=2, **levels), out=tmp_path / "two")
    one, two = checkpoint(tmp_path / "one"), checkpoint(tmp_path / "two")
    names = [name for name in one if name.startswith("network/")]
    assert max((one[name] - two[name]).abs().max() for name in names) < 1e-4


def test_a_loss_that_is_no_number_is_skipped_counted_and_ends_the_training(tmp_path: Path) -> None:
    steps: list[TrainStep] = []
    spec = base_only(base__train__optimizer__lr=1e30, base__train__optimizer__warmup_steps=0)
    with pytest.raises(
        RunError, match=r"step 9: the loss is nan.* in 8 steps in a row, the last over samples s\d"
    ) as no:
        train(spec, data=halves(), out=tmp_path, every=Every(save=1), on_step=steps.append)
    assert "choose another --out" in str(no.value)
    assert [step.skipped for step in steps] == [0, *range(1, 8)]
    assert [path.name for path in checkpoints(tmp_path / "training/base/checkpoints")] == ["step-00000001"]


def test_the_callers_random_numbers_are_left_alone(tmp_path: Path) -> None:
    torch.manual_seed(7)
    want = torch.rand(3)
    torch.manual_seed(7)
    train(base_only(base__train__steps=1), data=halves(), out=tmp_path)
    assert torch.equal(torch.rand(3), want)


def test_everything_trains_that_a_file_can_ask_for(tmp_path: Path) -> None:
    spec = tiny(
        base__train__draw="by-group", base__train__levels__kind="lognormal", base__train__gradient_checkpointing=True,
        bridge__train__crop=[4, 4], bridge__inputs__low__blur={"train_std": [0, 1]}, bridge__train__ema=None,
        bridge__inputs__low__noise__at="low", bridge__inputs__low__noise__form="preserving",
    )  # fmt: skip
    assert set(train(spec, out=tmp_path).stages) == {"base", "bridge"}
    assert Cascade.from_pretrained(tmp_path).sample("").x.isfinite().all()


def refused(tmp_path: Path, spec: CascadeSpec, data: Given | None, error: type[Exception], *, match: str) -> None:
    with pytest.raises(error, match=match):
        train(spec, data=data, out=tmp_path / "run")


def test_wrong_data_is_refused_with_the_way_out(tmp_path: Path) -> None:
    grey, holes = Given([torch.zeros(1, 8, 8)], ["x"]), Given([torch.zeros(3, 8, 8), torch.full((3, 8, 8), torch.nan)])
    refused(tmp_path, tiny(), grey, SpecError, match=r"stages.0.out.channels: is 3, but the data has 1. Set it to 1")
    refused(tmp_path, tiny(), holes, DataError, match=r"sample 's1': holds NaN")
    refused(tmp_path, tiny(), Given([]), DataError, match="holds no samples")
    refused(tmp_path, tiny(), Given([torch.zeros(3, 8, 8)]), DataError, match="has no captions, but .* takes text")
    refused(tmp_path, tiny(data=None), None, SpecError, match="data: is not given")
    labels = tiny(condition={"label": {"classes": 2}})
    refused(tmp_path, labels, halves(), DataError, match="sample 's0': has no label")
    assert not list((tmp_path / "run" / "stages").glob("bridge/*"))


def test_another_recipe_or_other_data_is_refused(tmp_path: Path) -> None:
    train(base_only(), data=halves(), out=tmp_path)
    wider = base_only(base__network__width=24)
    with pytest.raises(RunError, match="is a checkpoint of another recipe"):
        train(wider, data=halves(), out=tmp_path)
    other = Given([-x for x in halves().xs], ["left", "top"])
    with pytest.raises(RunError, match="was trained on other data"):
        train(base_only(base__train__steps=30), data=other, out=tmp_path)
    with pytest.raises(UsageError, match=r"stage 'bas'.*Did you mean 'base'"):
        train(base_only(), data=halves(), out=tmp_path, stages=["bas"])
