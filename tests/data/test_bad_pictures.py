"""Every kind of bad picture, as a real file: its own message, with the file's name and the way out."""

from __future__ import annotations

import io
import os
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dynaxx.data.folder import Folder
from dynaxx.data.picture import read_picture
from dynaxx.errors import DataError
from dynaxx.spec.data import FolderData

Make = Callable[[Path], object]


def noise(width: int = 32, height: int = 32) -> Image.Image:
    values = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def encoded(kind: str) -> bytes:
    buffer = io.BytesIO()
    noise().save(buffer, kind)
    return buffer.getvalue()


def damaged_png() -> bytes:
    data = bytearray(encoded("PNG"))
    at = data.index(b"IDAT") + 40
    data[at : at + 20] = bytes(20)
    return bytes(data)


def huge_png(width: int = 30_000, height: int = 30_000) -> bytes:
    """A header that promises 900 million pixels in less than a hundred bytes."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    header = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    return b"\x89PNG\r\n\x1a\n" + header + encoded("PNG")[33:]


def nan_tiff(path: Path) -> None:
    values = np.full((16, 16), 0.5, np.float32)
    values[3, 4] = np.nan
    Image.fromarray(values).save(path)


BAD: dict[str, tuple[str, Make, str]] = {
    "truncated jpeg": ("a.jpg", lambda p: p.write_bytes(encoded("JPEG")[:400]),
                       "ends too early: it was not copied or downloaded whole.*Copy or download it again"),
    "damaged png": ("a.png", lambda p: p.write_bytes(damaged_png()), "is damaged .*Copy or download it again, or"),
    "empty": ("a.png", lambda p: p.touch(), r"is empty \(0 bytes\).*Copy or download it again"),
    "tiny": ("a.png", lambda p: noise(3, 40).save(p), "is only 3x40 pixels.*at least 8 pixels a side"),
    "huge": ("a.png", lambda p: p.write_bytes(huge_png()), "has more than 89 million pixels.*Make it smaller"),
    "rather huge": ("a.png", lambda p: p.write_bytes(huge_png(10_000, 9_000)), "has more than 89 million pixels"),
    "text": ("a.png", lambda p: p.write_text("hello"), "is not a picture of a known kind.*Convert it to PNG or JPEG"),
    "web page": ("a.jpg", lambda p: p.write_text("<!DOCTYPE html><html>404</html>"), "is a web page, not a picture"),
    "lfs pointer": ("a.png", lambda p: p.write_text("version https://git-lfs.github.com/spec/v1\noid"), "git lfs pull"),
    "svg": ("a.svg", lambda p: p.write_text("<svg></svg>"), r"is of a kind \(.svg\) that is not read.*Convert it"),
    "drawing named png": ("a.png", lambda p: p.write_text("<svg></svg>"), "is an SVG drawing.*Export it as PNG"),
    "dangling link": ("a.png", lambda p: p.symlink_to("nowhere.png"), "is a link to a file that is not there"),
    "link to itself": ("a.png", lambda p: p.symlink_to(p.name), "cannot be opened: too many levels of symbolic links"),
    "folder": ("a.png", lambda p: p.mkdir(), "is a folder, not a file.*Rename it"),
    "pipe": ("a.png", lambda p: os.mkfifo(p), "is a device or a pipe, not a file"),
    "NaN": ("a.tiff", nan_tiff, "holds NaN or infinite values.*Replace them"),
    "out of range": ("a.tiff", lambda p: Image.fromarray(np.full((16, 16), 7.5, np.float32)).save(p),
                     "holds numbers from 7.5 to 7.5, not from 0 to 1.*kind: fields"),
    "32 bit": ("a.tiff", lambda p: Image.fromarray(np.full((16, 16), 70_000, np.int32)).save(p),
               "holds numbers from 70000 to 70000, not from 0 to 65535"),
    "lab": ("a.tiff", lambda p: Image.new("LAB", (16, 16)).save(p), "is in Lab colours.*Convert it to RGB"),
    "bomb of text": ("a.png", lambda p: p.write_bytes(text_bomb()), "is damaged .*too large"),
}  # fmt: skip


def text_bomb() -> bytes:
    """A picture whose comment unpacks to 100 MB."""
    body = b"zTXtcomment\x00\x00" + zlib.compress(bytes(100 * 2**20))
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    data = encoded("PNG")
    return data[:33] + chunk + data[33:]


@pytest.mark.parametrize("kind", BAD)
def test_each_kind_is_named_with_a_way_out(kind: str, tmp_path: Path) -> None:
    name, make, message = BAD[kind]
    path = tmp_path / name
    make(path)
    with pytest.raises(DataError, match=message) as caught:
        read_picture(path)
    assert str(path) in str(caught.value)
    assert caught.value.fix


@contextmanager
def no_one() -> Iterator[None]:
    """The rights of an ordinary user, also where the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    noise().save(path)
    path.chmod(0)
    with no_one(), pytest.raises(DataError, match="a.png: cannot be opened: permission denied. Check its path"):
        read_picture(path)
    folder = tmp_path / "closed"
    folder.mkdir(mode=0)
    with no_one(), pytest.raises(DataError, match="closed: cannot be opened: permission denied"):
        Folder(FolderData(path=""), folder)
    folder.chmod(0o700)


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gone.png: is not there. Check the path"):
        read_picture(tmp_path / "gone.png")


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """One good picture and one of each bad kind."""
    noise().save(tmp_path / "good.png")
    for number, (name, make, _) in enumerate(BAD.values()):
        make(tmp_path / f"bad{number:02d}{Path(name).suffix}")
    return tmp_path


def test_folder_skips_and_reports_each(mixed: Path) -> None:
    data = Folder(FolderData(path=""), mixed)
    assert [data[i].id for i in range(len(data))] == ["good.png"]
    assert [skip.file for skip in data.report.skipped] == sorted(skip.file for skip in data.report.skipped)
    assert len(data.report.skipped) == len(BAD)
    text = str(data.report)
    assert text.startswith(f"1 sample used, {len(BAD)} skipped")
    assert len(text.splitlines()) < 14


def test_folder_refuses_and_lists(mixed: Path) -> None:
    with pytest.raises(DataError, match=f"(?s){len(BAD)} of its files cannot be used.*bad00.jpg.*or set on_bad: skip"):
        Folder(FolderData(path="", on_bad="refuse"), mixed)


def test_folder_without_a_usable_picture(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("hello")
    for on_bad in ("skip", "refuse"):
        with pytest.raises(DataError, match=r"a\.png.*is not a picture of a known kind"):
            Folder(FolderData(path="", on_bad=on_bad), tmp_path)
    (tmp_path / "a.png").unlink()
    with pytest.raises(DataError, match="holds no usable picture.*Put PNG, JPEG"):
        Folder(FolderData(path=""), tmp_path)
    with pytest.raises(DataError, match="gone: there is no folder here. Set `path`"):
        Folder(FolderData(path=""), tmp_path / "gone")


def test_page_on_data_lists_every_message(mixed: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/data.md").read_text("utf-8")
    section = page.split("## Bad pictures")[1].split("## ")[0]
    rows = [line.split("|")[2].strip() for line in section.splitlines() if line.startswith("| ")][1:]
    patterns = [re.escape(row).replace("…", ".+") for row in rows]
    problems = [skip.reason for skip in Folder(FolderData(path=""), mixed).report.skipped]
    for problem in problems:
        assert any(re.fullmatch(pattern, problem) for pattern in patterns), problem
    for pattern in patterns:
        assert any(re.fullmatch(pattern, problem) for problem in problems), pattern
