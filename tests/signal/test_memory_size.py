"""Sizes of memory: one reader for commands and for Python."""

from __future__ import annotations

import pytest

from dynaxx import Runtime
from dynaxx.cli.options import parse_bytes
from dynaxx.errors import UsageError
from dynaxx.signal.memory_size import bytes_of


@pytest.mark.parametrize(
    ("text", "size"),
    [("8GiB", 8 * 2**30), (" 1.5 GB", 1_500_000_000), ("512MiB", 2**29), ("1000B", 1000), ("2kB", 2000), ("9B", 9)],
)
def test_sizes_of_memory(text: str, size: int) -> None:
    assert bytes_of(text, place="here") == parse_bytes(text) == Runtime(memory_cap=text).cap_bytes == size


@pytest.mark.parametrize("text", ["", "8Gb", "GiB", "-1GiB", "0", "0.5B", "8 G i B", "9" * 400, "8 gigs"])
def test_what_is_no_size_of_memory(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--memory-cap: .*8GiB"):
        parse_bytes(text)
    with pytest.raises(UsageError, match=r"^memory_cap: .*8GiB"):
        Runtime(memory_cap=text)


def test_a_text_has_a_unit() -> None:
    with pytest.raises(UsageError, match=r"--memory-cap: '8' has no unit\. Write 8GiB, or another"):
        parse_bytes("8")
    with pytest.raises(UsageError, match=r"memory_cap: ' 1.5' has no unit\. Write 1.5GiB, or another"):
        Runtime(memory_cap=" 1.5")


def test_numbers_are_bytes() -> None:
    assert Runtime(memory_cap=2**30).cap_bytes == 2**30
    assert bytes_of(8e9, place="here") == 8_000_000_000
    assert Runtime().cap_bytes is parse_bytes(None) is None


@pytest.mark.parametrize("number", [0, -1, float("nan"), float("inf")])
def test_numbers_that_are_no_size(number: float) -> None:
    with pytest.raises(UsageError, match=r"^here: .*8GiB"):
        bytes_of(number, place="here")
