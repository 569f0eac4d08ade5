"""The plan of an accelerator whose maker nobody knows: timed where it is here, refused by name where it is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from dynaxx.cli import run
from dynaxx.plan.time.calibrate import calibrate
from dynaxx.plan.time.kept import calibrated, keep
from dynaxx.plan.time.transfer_probe import transfer_of
from soft_device.module import GIB, Soft

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYNAXX_CACHE", str(tmp_path / "cache"))


def planned(capsys: Capture, *options: str) -> dict[str, object]:
    assert run(["plan", "emoji-64", *options, "--json"]) == 0
    return json.loads(capsys.readouterr().out)  # type: ignore[no-any-return]


def test_it_is_planned_by_its_own_calibration(soft_device: Soft, capsys: Capture) -> None:
    device = torch.device("soft:0")
    before = planned(capsys, "--device", "soft")
    assert before["clock"] == "not calibrated: dynaxx plan --calibrate --device soft"
    clock = calibrate(device, budget_s=0.5)
    assert clock.name == f"soft device 0, torch {torch.__version__}"
    assert keep(clock, device)
    assert calibrated(torch.device("soft:1")) is None, "another device is another clock"
    for options in (["--device", "soft"], ["--device", "soft:0"], ["--devices", "soft:0"]):
        found = planned(capsys, *options)
        assert found["clock"] == "calibrated on this machine"
        assert found["nodes"][0]["latency_s"]["value"] > 0  # type: ignore[index]
    spread = planned(capsys, "--devices", "auto", "--samples", "8")
    assert {one["device"] for one in spread["spread"]["devices"]} == {"soft:0", "soft:1"}  # type: ignore[index]


def test_calibrating_it_leaves_random_numbers_as_they_were(soft_device: Soft) -> None:
    device = torch.device("soft:0")
    torch.manual_seed(7)
    due = [torch.rand(3).tolist(), torch.rand(3, device=device).cpu().tolist()]
    torch.manual_seed(7)
    calibrate(device, budget_s=0.2)
    assert [torch.rand(3).tolist(), torch.rand(3, device=device).cpu().tolist()] == due


def test_a_device_with_too_little_memory_is_told_before(soft_device: Soft, capsys: Capture) -> None:
    for i in range(2):
        soft_device.set_total_memory(8 * 2**20, i)
    assert run(["plan", "emoji-64", "--devices", "base=soft:0"]) == 1
    assert "stage 'base': has 0.0162 GiB of weights, soft:0 has room for 0.00625 GiB" in capsys.readouterr().err


def test_weights_come_to_it_from_page_locked_memory(soft_device: Soft) -> None:
    found = transfer_of(torch.device("soft:0"))
    assert found is not None
    assert found.memory_bytes == GIB
    assert found.pinned_bytes_s is not None
    assert found.pinned_bytes_s > 1e7


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--devices", "soft:0,soft:1", "--device", "cpu"], "names soft for a plan on cpu"),
        (["--devices", "cpu:0,soft:1"], "names cpu, soft for a plan on cpu"),
        (["--devices", "a=tpu:0"], "Name such as cpu:0, cuda:0, xpu:0, mps:0, soft:0."),
        (["--device", "soft:x"], "'soft:x' is no device. Name another, or none: this machine has cpu, soft:0, soft:1."),
    ],
)
def test_what_cannot_be_meant_is_refused(soft_device: Soft, capsys: Capture, options: list[str], said: str) -> None:
    assert run(["plan", "emoji-64", *options]) == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_a_number_that_is_not_here_has_no_time(soft_device: Soft, capsys: Capture) -> None:
    found = planned(capsys, "--device", "soft:5")
    assert found["clock"] == "there is no soft:5 here: name a known one (--device h100-sxm)"
