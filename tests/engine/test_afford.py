"""Memory: the estimate counts what a run holds, and running out has one message."""

from __future__ import annotations

import pytest
import torch

from dynaxx.engine.afford import GIB, MOST_IDS, afford, free_bytes, need_bytes, out_of_memory
from dynaxx.errors import RunError, UsageError
from dynaxx.spec.files import loads
from dynaxx.spec.graph import Node, nodes

TWO = """
name: two
stages:
  - {name: base, role: base, kind: gaussian, size: [16, 16], solver: {steps: 2}, out: {size: [8, 8]}}
  - {name: up, role: bridge, kind: gaussian, size: [16, 16], solver: {steps: 2}, from: base, out: {scale: 2}}
"""


def graph() -> tuple[Node, ...]:
    return nodes(loads(TWO, "two.yaml"))


def test_a_run_holds_an_answer_what_it_reads_and_a_batch_at_work() -> None:
    base, up, ids = 4 * 3 * 64, 4 * 3 * 256, 200
    assert need_bytes(graph(), 10, batch_size=4) == 10 * (base + up + ids) + 4 * up
    assert need_bytes(graph(), 10, batch_size=64) == 10 * (base + up + ids) + 10 * up
    kept = base + 2 * up  # with what `up` was given, on its own grid
    assert need_bytes(graph(), 10, batch_size=4, keep={"base", "up"}) == 10 * (kept + ids) + 4 * up


def test_the_estimate_is_what_is_held() -> None:
    from dynaxx import Cascade

    samples = Cascade.from_spec(loads(TWO, "two.yaml")).sample(num=8, keep=True)
    held = [*samples.stages.values(), *(x for given in samples.inputs.values() for x in given.values())]
    ids, work = 8 * 200, 4 * 3 * 256
    assert need_bytes(graph(), 8, batch_size=1, keep={"base", "up"}) == 4 * sum(x.numel() for x in held) + ids + work


def test_what_fits_is_not_refused() -> None:
    afford(graph(), 1000, batch_size=64)


def test_what_does_not_fit_is() -> None:
    with pytest.raises(RunError, match="GiB are free.*--num.*--size"):
        afford(graph(), 10**9, batch_size=64)
    with pytest.raises(UsageError, match=str(MOST_IDS)):
        afford(graph(), MOST_IDS + 1, batch_size=64)


def test_this_machine_says_what_is_free() -> None:
    free = free_bytes(torch.device("cpu"))
    assert free is None or 0.01 < free / GIB < 10**6


def test_running_out_of_memory_says_what_to_do() -> None:
    with pytest.raises(RunError, match="Halve --batch"), out_of_memory():
        torch.empty(2**60, dtype=torch.float32)
    with pytest.raises(RunError, match="Halve --batch"), out_of_memory():
        bytearray(2**62)


def test_other_errors_pass() -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"), out_of_memory():
        torch.zeros(2, 3) @ torch.zeros(2, 3)
