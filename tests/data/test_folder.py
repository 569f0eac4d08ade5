from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from dynaxx.data.folder import Folder
from dynaxx.errors import DataError
from dynaxx.spec.data import FolderData


def picture(path: Path, colour: str = "#ff0000") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (16, 12), colour).save(path)


def opened(root: Path, **options: object) -> Folder:
    return Folder(FolderData.model_validate({"path": ".", **options}), root)


def told(data: Folder) -> list[tuple[str, str]]:
    return [(notice.file, notice.text) for notice in data.report.notices]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    picture(tmp_path / "b.png")
    picture(tmp_path / "a.jpg")
    picture(tmp_path / "sub/deep/c.png")
    picture(tmp_path / ".hidden/d.png")
    (tmp_path / "notes.md").write_text("not data")
    return tmp_path


def test_metadata_jsonl(pictures: Path) -> None:
    (pictures / "metadata.jsonl").write_text(
        '{"file_name": "b.png", "text": "a red\\n box", "label": 3}\n\n'
        '{"file_name": "sub/deep/c.png", "caption": "größe 🍎"}\n'
        '{"file_name": "a.jpg", "text": "another", "label": 1}\n'
    )
    data = opened(pictures)
    assert [data[i].id for i in range(len(data))] == ["a.jpg", "b.png", "sub/deep/c.png"]
    assert data.captions == ("another", "a red box", "größe 🍎")
    assert [data[i].label for i in range(3)] == [1, 3, None]
    assert data.report.notices == data.report.skipped == ()


def test_metadata_csv_with_words_as_labels(pictures: Path) -> None:
    (pictures / "metadata.csv").write_text(
        '\ufefffile_name,text,label\nb.png,"a box, red",box\na.jpg,another,apple\nsub/deep/c.png,third,box\n'
    )
    data = opened(pictures)
    assert data.captions == ("another", "a box, red", "third")
    assert data.classes == ("apple", "box")
    assert [data[i].label for i in range(3)] == [0, 1, 1]


def test_metadata_in_subfolders_names_files_from_there(pictures: Path) -> None:
    (pictures / "sub/metadata.jsonl").write_text('{"file_name": "deep/c.png", "text": "deep one"}')
    data = opened(pictures)
    assert data.captions == ("", "", "deep one")
    assert told(data) == [(file, "has no caption; an empty one is used.") for file in ("a.jpg", "b.png")]


def test_texts_beside(pictures: Path) -> None:
    (pictures / "a.txt").write_text("an a\n")
    (pictures / "sub/deep/c.txt").write_text("a c")
    (pictures / "b.txt").write_text("  \n")
    (pictures / "z.txt").write_text("nothing")
    data = opened(pictures)
    assert data.captions == ("an a", "", "a c")
    assert told(data) == [
        ("z.txt", "is a caption without a file of that name."),
        ("b.png", "has no caption; an empty one is used."),
    ]


def test_class_folders(tmp_path: Path) -> None:
    picture(tmp_path / "train/red_apple/1.png")
    picture(tmp_path / "train/red_apple/2.png")
    picture(tmp_path / "train/dog/1.png")
    data = opened(tmp_path)
    assert data.captions == ("dog", "red apple", "red apple")
    assert data.classes == ("dog", "red_apple")
    assert [data[i].label for i in range(3)] == [0, 1, 1]


def test_no_captions_at_all(pictures: Path) -> None:
    data = opened(pictures)
    assert data.captions == ("", "", "")
    assert told(data) == [("", "no captions were found; all samples have an empty one.")]


@pytest.mark.parametrize(("line", "message"), [
    ('{"file_name": "b.png"', "metadata.jsonl line 2: is not JSON.*Mend or remove"),
    ("[1, 2]", "line 2: is not a JSON object"),
    ('{"text": "x"}', "line 2: has no file_name"),
    ('{"file_name": "b.png", "text": 7}', r"line 2: has a text that is no text \(7\)"),
    ('{"file_name": "b.png", "label": NaN}', r"line 2: has a label that is neither a whole number nor a word \(nan\)"),
    ('{"file_name": "b.png", "label": -1}', r"line 2: has a negative label \(-1\)"),
    ('{"file_name": "gone.png", "text": "x"}', "line 2: names 'gone.png', which is not there.*Add the file"),
    (f'{{"file_name": "{"n" * 300}.png"}}', "line 2: names 'n{300}.png', which is not there"),
    ('{"file_name": "b\\u0000.png"}', "line 2: names 'b\x00.png', which is not there"),
    ('{"file_name": "../b.png", "text": "x"}', "line 2: names '../b.png', which lies outside the folder"),
    ('{"file_name": "/etc/passwd", "text": "x"}', "line 2: names '/etc/passwd', which lies outside the folder"),
    ('{"file_name": "notes.md", "text": "x"}', "line 2: names 'notes.md', which is of a kind that is not read"),
])  # fmt: skip
def test_bad_lines_are_reported_or_refused(pictures: Path, line: str, message: str) -> None:
    (pictures / "metadata.jsonl").write_text('{"file_name": "a.jpg", "text": "x"}\n' + line)
    data = opened(pictures)
    assert len(data) == 3
    assert len(data.report.skipped) == 1
    with pytest.raises(DataError, match=message):
        opened(pictures, on_bad="refuse")


@pytest.mark.parametrize(("name", "content", "message"), [
    ("metadata.csv", b"name,text\na.jpg,x\n", r"metadata.csv: has no column file_name \(columns: name, text\)"),
    ("metadata.csv", b"file_name,text\na.jpg,caf\xe9\n", r"is not UTF-8 text \(byte 24\). Save it as UTF-8"),
    ("metadata.csv", b"file_name,text\na.jpg," + b"x" * 200_000, "is not CSV .*field larger than field limit"),
    ("metadata.jsonl", b"\xff\xfe{}", "is not UTF-8 text"),
    ("a.txt", b"\xff\xfe\x00x", "a.txt: is not UTF-8 text"),
])  # fmt: skip
def test_unreadable_tables_always_raise(pictures: Path, name: str, content: bytes, message: str) -> None:
    (pictures / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        opened(pictures)


def test_second_table_and_second_line_are_noticed(pictures: Path) -> None:
    line = '{"file_name": "a.jpg", "text": "first"}\n'
    (pictures / "metadata.jsonl").write_text(line + line.replace("first", "second"))
    (pictures / "metadata.csv").write_text("file_name,text\na.jpg,third\n")
    data = opened(pictures)
    assert data.captions[0] == "first"
    assert ("metadata.jsonl line 2", "names 'a.jpg' again; the first line counts.") in told(data)
    assert ("metadata.csv", "is not read: metadata.jsonl is there too.") in told(data)


def test_withheld_part_completes_the_used_one(tmp_path: Path) -> None:
    for number in range(40):
        picture(tmp_path / f"{number:02d}.png")
    spec = FolderData(path=".", withheld=0.25)
    parts = [Folder(spec, tmp_path, part=part) for part in ("used", "withheld", "all")]
    used, withheld, every = ({data[i].id for i in range(len(data))} for data in parts)
    assert used | withheld == every
    assert not used & withheld
    assert 4 <= len(withheld) <= 16
    more = Folder(FolderData(path=".", withheld=0.5), tmp_path, part="withheld")
    assert withheld < {more[i].id for i in range(len(more))}
