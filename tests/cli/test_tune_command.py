"""`dynaxx tune`: file, figures and page; gone on with; what pays nothing; refusals."""

from __future__ import annotations

import json

import pytest
import yaml
from tests.share.page_reader import fetched, read
from tests.two_stages import dynaxx, two_stages

from dynaxx.cli import run, search
from dynaxx.cli.former import contents


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "two.yaml"
    path.write_text(two_stages(12))
    return path


def order(file, out, *more):
    return "tune", file, "--num", 16, "--fresh", 16, "--budget", 120, "--out", out, "--json", *more


def told(capsys, *arguments):
    """Exit code and answer of a command in this process."""
    capsys.readouterr()
    code = run([str(word) for word in arguments])
    return code, json.loads(capsys.readouterr().out)


def held(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_cheaper_file_is_written_and_a_second_call_runs_nothing(file, tmp_path, capsys):
    out = tmp_path / "tuned"
    done = dynaxx(*order(file, out))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["shown"]
    assert found["cost"]["ratio"] == found["cost"]["after"] / found["cost"]["before"] <= 0.5
    assert found["confirmed"]["unseen"]
    assert found["confirmed"]["spare"]["low"] >= 0
    assert json.loads((out / "tuned.json").read_text()) == found
    assert "together, the best of each stage" in done.stderr
    tuned = {stage["name"]: stage for stage in yaml.safe_load((out / "cascade.yaml").read_text())["stages"]}
    for change in found["changes"]:
        stage, *keys = change["path"].split(".")
        value = tuned[stage]
        for key in keys:
            value = value[key]
        assert value == change["now"] != change["was"]
    assert run(["check", found["file"]]) == 0
    page = (out / "index.html").read_text("utf-8")
    reader = read(page)
    assert fetched(page) == []
    for words in ("All stages together", "base, on its own grid", "Before and after", found["changes"][0]["path"]):
        assert words in " ".join(reader.text.split()), words
    code, again = told(capsys, *order(file, out))
    assert code == 0
    assert again["blocks_run"] == 0
    assert again["changes"] == found["changes"]
    assert again["confirmed"] == found["confirmed"]


def test_a_former_result_is_not_lost(tmp_path, capsys):
    """Neither to a search that finds nothing, nor to another cascade, nor where the user wrote in it."""
    file, other, out = tmp_path / "two.yaml", tmp_path / "other.yaml", tmp_path / "tuned"
    file.write_text(two_stages(4))
    other.write_text(two_stages(5))
    code, found = told(capsys, *order(file, out))
    assert (code, found["shown"]) == (0, True)
    before = held(out)
    code, none = told(capsys, *order(file, out, "--share", 0.01))
    assert code == 1
    assert none["file"] is none["page"] is None
    assert "cascade.yaml is from an earlier call, and stays as it was" in none["says"]
    for start, words in ((out, "overwritten by its own result"), (other, "another cascade")):
        code, refused = told(capsys, *order(start, out))
        assert code == 2
        assert words in refused["error"]["message"]
    assert held(out) == before
    (out / "cascade.yaml").write_text(before["cascade.yaml"].decode() + "# mine\n")
    code, refused = told(capsys, *order(file, out))
    assert code == 2
    assert "was changed since" in refused["error"]["message"]


@pytest.mark.parametrize("former", [False, True])
def test_a_call_that_was_killed_between_its_files_is_gone_on_with(file, tmp_path, capsys, monkeypatch, former):
    """Its figures are there, its cascade is not: there is none, or that of a call before, which is not a stranger's."""
    out, write = tmp_path / "tuned", search.write_text

    def killed_before_the_cascade(path, text):
        if path.name == "cascade.yaml":
            raise KeyboardInterrupt
        write(path, text)

    if former:
        assert told(capsys, *order(file, out))[0] == 0
        older = (out / "cascade.yaml").read_text() + "# as an older version wrote it\n"
        (out / "cascade.yaml").write_text(older)
        figures = json.loads((out / "tuned.json").read_text())
        (out / "tuned.json").write_text(json.dumps(figures | {"file_digests": contents(out / "cascade.yaml")}))
    before = held(out) if former else {}
    monkeypatch.setattr(search, "write_text", killed_before_the_cascade)
    assert run([str(word) for word in order(file, out)]) == 130
    monkeypatch.undo()
    assert held(out).get("cascade.yaml") == before.get("cascade.yaml")
    assert held(out)["tuned.json"] != before.get("tuned.json")
    code, found = told(capsys, *order(file, out))
    assert (code, found["blocks_run"]) == (0, 0)
    assert "older version" not in (out / "cascade.yaml").read_text()
    assert run(["check", found["file"]]) == 0


def test_where_nothing_pays_it_is_said_and_no_file_is_written(tmp_path, capsys):
    file, out = tmp_path / "two.yaml", tmp_path / "tuned"
    file.write_text(two_stages(3))
    code, found = told(capsys, *order(file, out, "--share", 0.01))
    assert code == 1
    assert found["file"] is None
    assert not found["shown"]
    for words in ("Nothing better was found", f"{found['tried']} choices were tried", "the cheapest", "--share"):
        assert words in found["says"], words
    assert sorted(held(out)) == ["index.html", "tuned.json"]
    assert "Nothing better was found" in read((out / "index.html").read_text("utf-8")).text


def test_a_file_that_no_tuning_wrote_is_left_alone(file, tmp_path, capsys):
    (tmp_path / "cascade.yaml").write_text(two_stages(3))
    before = held(tmp_path)
    code, refused = told(capsys, *order(file, tmp_path))
    assert code == 2
    assert "was not written by dynaxx tune" in refused["error"]["message"]
    assert held(tmp_path) == before


def test_a_latency_needs_a_clock(file, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("DYNAXX_CACHE", str(tmp_path / "cache"))
    code, refused = told(capsys, *order(file, tmp_path / "t", "--latency", 1))
    assert code == 2
    assert "plan --calibrate" in refused["error"]["message"]
    assert not (tmp_path / "t").exists()


def test_a_cascade_that_nothing_tells_a_good_sample_of_is_refused(tmp_path, capsys):
    bare = tmp_path / "bare.yaml"
    bare.write_text("name: bare\nstages: [{name: base, role: base, kind: empirical, out: {size: [8, 8]}}]\n")
    code, refused = told(capsys, *order(bare, tmp_path / "t"))
    assert code == 2
    assert "data" in refused["error"]["message"]
    assert not (tmp_path / "t").exists()
