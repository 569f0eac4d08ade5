"""What is said of pretrained parts that are not on this machine, and which way out is offered."""

from __future__ import annotations

from pathlib import Path

import pytest

from dynaxx.errors import RunError
from dynaxx.stage.absent import ALLOW, reason_of, refuse_absent, ways_out


def test_downloads_are_a_way_out_where_they_are_off_and_an_id_may_be_meant(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    assert ways_out(["Name it"], "some/model", tmp_path, allow_download=False) == f"Name it, or {ALLOW}."
    assert (
        ways_out(["Name it", "leave it"], "model", tmp_path, allow_download=False) == f"Name it, leave it, or {ALLOW}."
    )
    assert ways_out(["Name it", "leave it"], "some/model", tmp_path, allow_download=True) == "Name it, or leave it."
    for folder in ("mine", "./not/there", "../there", "/a/b", "~/models/sd", "a/b/"):
        assert ways_out(["Name it"], folder, tmp_path, allow_download=False) == "Name it."


def test_a_librarys_own_way_out_is_left_out() -> None:
    said = "Cannot find a folder and traffic is off. To enable look-ups, pass 'local_files_only=False' as input."
    assert reason_of(OSError(said)) == "Cannot find a folder and traffic is off"
    assert reason_of(OSError("set local_files_only=False")) == "OSError"
    assert reason_of(OSError("no file x.safetensors in y.\nmore")) == "no file x.safetensors in y"


def test_what_is_not_here_is_refused_unless_it_may_be_fetched(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    refuse_absent("base", "mine", tmp_path, ["Name it"], allow_download=False)
    refuse_absent("base", "not/there", tmp_path, ["Name it"], allow_download=True)
    with pytest.raises(RunError, match=r"base: 'not/there' is not on this machine\. Name it, or allow .*--download"):
        refuse_absent("base", "not/there", tmp_path, ["Name it"], allow_download=False)
