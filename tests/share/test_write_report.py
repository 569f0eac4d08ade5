"""A report as a folder: all files there, named by findings.json, those of a former report gone."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from tests.share.page_reader import fetched, read
from tests.share.report_findings import made_up

from dynaxx.lens.findings import Axis, Curve, Finding, Lensed, Mark, Measure, Report, Series, StageView, Verdict, Worst
from dynaxx.share.report import write_report


def measured(plain: dict | None) -> Measure | None:
    return None if plain is None else Measure(plain["value"], plain["low"], plain["high"], plain["n"])


def typed() -> Report:
    """The made-up findings through the lens's own types: the page reads what those write."""
    plain = made_up()[0]
    stages = [
        StageView(**{k: measured(v) if isinstance(v, dict) and "value" in v else v for k, v in stage.items()})
        for stage in plain["stages"]
    ]
    findings = [Finding(**{**f, "gain": measured(f["gain"])}) for f in plain["findings"]]
    curves = [
        Curve(**{**c, "x": Axis(**c["x"]), "y": Axis(**c["y"]), "series": tuple(Series(**s) for s in c["series"]),
                 "marks": tuple(Mark(**m) for m in c["marks"])})
        for c in plain["curves"]
    ]  # fmt: skip
    return Report(
        cascade=plain["cascade"], verdict=Verdict(**{**plain["verdict"], "words": tuple(plain["verdict"]["words"])}),
        score=measured(plain["score"]), floor=measured(plain["floor"]), distance=plain["distance"],
        stages=tuple(stages),
        findings=tuple(findings), curves=tuple(curves), error_table=plain["error_table"], method=plain["method"],
    )  # fmt: skip


def worst(number: int) -> Worst:
    frames = {"base": torch.zeros(3, 4, 4), "refine": torch.ones(3, 8, 8)}
    return Worst(number, f"prompt {number}", 1.0, "far off", frames, {"refine": -torch.ones(3, 8, 8)})


def test_a_report_is_a_page_its_findings_and_its_pictures(tmp_path: Path) -> None:
    page = write_report(Lensed(typed(), (worst(3), worst(1))), tmp_path / "report")
    html = page.read_text("utf-8")
    read(html)
    assert fetched(html) == []
    findings = json.loads((page.parent / "findings.json").read_text("utf-8"))
    assert next(iter(findings)) == "schema"
    assert [sample["id"] for sample in findings["samples"]] == [3, 1]
    named = {frame[k] for s in findings["samples"] for frame in s["frames"] for k in ("file", "truth") if frame[k]}
    assert named == {str(p.relative_to(page.parent)) for p in (page.parent / "pictures").iterdir()}
    assert len(named) == 6


def test_pictures_of_a_former_report_go_and_nothing_else(tmp_path: Path) -> None:
    write_report(Lensed(typed(), (worst(3),)), tmp_path)
    (tmp_path / "pictures" / "mine.png").write_bytes(b"kept")
    write_report(Lensed(typed(), (worst(1),)), tmp_path)
    names = sorted(path.name for path in (tmp_path / "pictures").iterdir())
    assert names == ["000001.base.png", "000001.refine.png", "000001.refine.truth.png", "mine.png"]
