"""The folder a run writes to: probed without a trace, and cleared of what its record lists, and of nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dynaxx.errors import RunError
from dynaxx.share.output_folder import check_writable, clear


def record(folder: Path, *files: str, said: str | None = None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    data = {"folder": said or str(folder), "files": list(files), "stage_files": []}
    (folder / "run.json").write_text(json.dumps(data), encoding="utf-8")


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def test_probing_leaves_nothing(tmp_path: Path) -> None:
    check_writable(tmp_path / "a" / "b")
    check_writable(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot be written to"):
        check_writable(put(tmp_path / "file"))
    with pytest.raises(RunError, match="cannot be written to"):
        check_writable(tmp_path / "file" / "below")


def test_what_is_listed_goes_and_nothing_else(tmp_path: Path) -> None:
    listed = [put(tmp_path / "out" / name) for name in ("0.png", "1.npy", "stages/base/0.png", "stages/up/0.png")]
    mine = [put(tmp_path / "out" / name) for name in ("2.png", "stages/up/mine.png")]
    record(tmp_path / "out", *map(str, listed))
    clear(tmp_path / "out")
    assert sorted(path for path in (tmp_path / "out").rglob("*") if path.is_file()) == sorted(mine)
    assert not (tmp_path / "out" / "stages" / "base").exists()


def test_a_moved_folder_is_cleared_all_the_same(tmp_path: Path) -> None:
    put(tmp_path / "new" / "0.png")
    record(tmp_path / "new", "old/out/0.png", said="old/out")
    clear(tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.parametrize("name", ["out/../mine.png", "/mine.png", "out/link/mine.png", "out/mine.txt"])
def test_a_record_reaches_no_file_that_a_run_cannot_have_written(tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    elsewhere = [put(tmp_path / "mine.png"), put(tmp_path / "elsewhere" / "mine.png"), put(out / "mine.txt")]
    (out / "link").symlink_to(tmp_path / "elsewhere")
    record(out, f"{tmp_path}{name}" if name.startswith("/") else f"{tmp_path}/{name}")
    clear(out)
    assert all(path.exists() for path in elsewhere)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"files": 3}', '{"folder": 1, "files": [2], "stage_files": []}']
)
def test_a_record_that_is_none_of_ours(tmp_path: Path, text: str) -> None:
    picture = put(tmp_path / "0.png")
    (tmp_path / "run.json").write_text(text, encoding="utf-8")
    clear(tmp_path)
    assert picture.exists()
    assert (tmp_path / "run.json").read_text(encoding="utf-8") == text


def test_what_is_spared_stays(tmp_path: Path) -> None:
    first, second = put(tmp_path / "0.png"), put(tmp_path / "1.png")
    record(tmp_path, str(first), str(second))
    clear(tmp_path, spare=[first])
    assert first.exists()
    assert not second.exists()
