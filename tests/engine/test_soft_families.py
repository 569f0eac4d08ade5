"""Every wrapped family on the device in software, from text encoders to the last hand-over: the CPU's samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from family_cascades import FAMILIES
from tiny_pipelines import saved

from dynaxx import Cascade
from dynaxx.engine.runtime import Runtime
from dynaxx.spec.files import loads
from soft_device.module import Soft


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_gives_the_cpu_s_samples(tmp_path: Path, soft_device: Soft, family: str) -> None:
    text, loaded = FAMILIES[family]
    for name in loaded:
        saved(name, tmp_path)

    def sampled(**runtime: Any) -> Any:
        live = Cascade.from_spec(loads(text), root=tmp_path, runtime=Runtime(**runtime))
        return live.sample(["a red apple", "a green pear"], seed=1, decode=True)

    due, found = sampled(device="cpu"), sampled(device="soft", placement="one-at-a-time")
    assert found.x.device.type == "soft"
    assert (found.x.cpu() - due.x).abs().max() <= 1e-4
    assert [node.seeds for node in found.trace.nodes] == [node.seeds for node in due.trace.nodes]
