"""How weights come: rates of a real file, honest about the disk, and what is left of a wait in closed form."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest
import torch

from dynaxx.plan.time import transfer_probe as module
from dynaxx.plan.time.devices import PAGEABLE, PINNED, device_named
from dynaxx.plan.time.interval import Interval
from dynaxx.plan.time.transfer import MEASURED, Transfer
from dynaxx.plan.time.transfer_probe import transfer_of

CPU = torch.device("cpu")


def test_a_real_file_is_mapped_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYNAXX_CACHE", str(tmp_path))
    found = transfer_of(CPU)
    assert found is not None
    assert 1e8 < found.mapped_bytes_s < 1e13
    assert found.pinned_bytes_s is None
    assert found.disk_bytes_s is None or 1e6 < found.disk_bytes_s < 1e13
    assert found.memory_bytes is None or found.memory_bytes > 2**28
    assert Transfer.from_json(json.loads(json.dumps(found.to_json()))) == found
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


def test_a_disk_is_not_told_where_the_system_does_not_forget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on file systems that live in memory: what would be timed there is no disk."""
    if not hasattr(os, "RWF_NOWAIT"):
        pytest.skip("no such question on this system")
    monkeypatch.setenv("DYNAXX_CACHE", str(tmp_path))
    monkeypatch.setattr(os, "posix_fadvise", lambda *given: None)
    found = transfer_of(CPU)
    assert found is not None
    assert found.disk_bytes_s is None


def test_where_nothing_can_be_written_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Path:
        raise PermissionError

    monkeypatch.setattr(module, "_folder", refuse)
    assert transfer_of(CPU) is None


def test_a_published_link_is_reached_in_part() -> None:
    device = device_named("rtx-3090")
    told = device.transfer.seconds(31.5e9, device.transfer.pinned_bytes_s or 0.0)
    assert told.value == pytest.approx(1 / PINNED)
    assert math.log(told.high / told.value) == pytest.approx(1.645 * 0.5)
    assert device.transfer.mapped_bytes_s == pytest.approx(PAGEABLE * 31.5e9)
    assert device.transfer.memory_bytes == device.memory_bytes


def test_what_is_left_of_a_wait() -> None:
    copy = Transfer(1e9, None, None, None).seconds(2e9, 1e9)
    assert copy.value == pytest.approx(2.0)
    assert math.log(copy.high / copy.value) == pytest.approx(1.645 * MEASURED)
    left = Interval(5.0, 4.0, 6.0).beyond(Interval(3.0, 1.0, 4.5))
    assert left == Interval(2.0, 0.0, 5.0)
    assert Interval(1.0, 0.5, 2.0).beyond(Interval(9.0, 8.0, 10.0)) == Interval(0.0, 0.0, 0.0)


@pytest.mark.gpu
def test_a_gpu_is_copied_to_faster_from_page_locked_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYNAXX_CACHE", str(tmp_path))
    found = transfer_of(torch.device("cuda"))
    assert found is not None
    assert found.pinned_bytes_s is not None
    assert found.pinned_bytes_s > found.mapped_bytes_s > 1e8
