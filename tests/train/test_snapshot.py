"""The copy in memory is a safetensors file: read by the library itself, bit for bit; the training is free to go on."""

from __future__ import annotations

import torch
from safetensors.torch import load, save

from dynaxx.train.snapshot import NAMES, Snapshot

SIZES = [(), (3,), (2, 3), (0, 4)]


def every_kind() -> dict[str, torch.Tensor]:
    """One tensor of each type and shape, with names that are no identifiers."""
    found = {}
    for dtype in NAMES:
        for shape in SIZES:
            numbers = torch.arange(torch.Size(shape).numel(), dtype=torch.float64) - 1
            found[f'{dtype} "{shape}" ä'] = numbers.abs().view(shape).to(dtype)
    return found


def test_the_library_reads_what_was_copied() -> None:
    tensors = every_kind()
    read = load(bytes(Snapshot().take({"all": tensors})["all"]))
    assert read.keys() == tensors.keys()
    for name, value in tensors.items():
        assert (read[name].dtype, read[name].shape) == (value.dtype, value.shape)
        assert torch.equal(read[name], value)


def test_names_of_types_are_the_librarys() -> None:
    for dtype, name in NAMES.items():
        assert f'"dtype":"{name}"'.encode() in save({"x": torch.zeros(1, dtype=dtype)})


def test_a_layout_in_memory_changes_nothing() -> None:
    x = torch.arange(48.0).view(2, 3, 2, 4)
    odd = x.to(memory_format=torch.channels_last)
    taken = Snapshot().take({"plain": {"x": x}, "odd": {"x": odd}, "turned": {"x": x.mT}})
    assert bytes(taken["plain"]) == bytes(taken["odd"])
    assert torch.equal(load(bytes(taken["turned"]))["x"], x.mT)


def test_a_copy_is_one() -> None:
    x, snapshot = torch.zeros(4), Snapshot()
    taken = snapshot.take({"a": {"x": x}})["a"]
    x += 1
    assert load(bytes(taken))["x"].tolist() == [0, 0, 0, 0]
    assert load(bytes(snapshot.take({"a": {"x": x}})["a"]))["x"].tolist() == [1, 1, 1, 1]
    assert load(bytes(snapshot.take({"a": {"x": x, "y": x}})["a"]))["y"].tolist() == [1, 1, 1, 1]
    assert load(bytes(snapshot.take({"a": {}})["a"])) == {}
