"""The report in a real browser, as narrow as a phone: a silent console, nothing beyond the edge, text to be read."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import pytest
from tests.share.report_findings import made_up

from dynaxx.share.report_page import render_report

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PHONE = 375
LEAST_TEXT = 11.0

MEASURE = """<!doctype html><meta charset="utf-8"><title>not measured</title>
<iframe id="page" style="width:%dpx;height:3000px;border:0"></iframe>
<script>
const frame = document.getElementById("page");
frame.addEventListener("load", () => {
  const page = frame.contentDocument, view = frame.contentWindow, width = page.documentElement.clientWidth;
  const all = [...page.querySelectorAll("body *")].filter(e => e.getClientRects().length && !e.closest(".scroll, pre"));
  const tell = e => `${e.tagName}.${e.getAttribute("class")}`;
  const size = e => {
    const svg = e.closest("svg"), scale = svg ? svg.getBoundingClientRect().width / svg.viewBox.baseVal.width : 1;
    return scale * parseFloat(view.getComputedStyle(e).fontSize);
  };
  const speaks = e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
  const spoken = all.filter(e => speaks(e) && e.tagName !== "title");
  const slider = page.querySelector(".cut input");
  slider.value = 60; slider.dispatchEvent(new Event("input"));
  document.title = JSON.stringify({
    width, scroll: page.documentElement.scrollWidth,
    beyond: all.filter(e => e.getBoundingClientRect().right > width + 1).map(tell),
    small: spoken.filter(e => size(e) < %f).map(tell),
    cut: view.getComputedStyle(page.querySelector(".pair .over")).clipPath,
  });
});
frame.srcdoc = %s;
</script>"""


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
def test_it_is_read_on_a_phone(tmp_path: Path) -> None:
    html = render_report(*made_up(1))
    framed = json.dumps(html).replace("</", "<\\/")
    page = tmp_path / "page.html"
    page.write_text(MEASURE % (PHONE, LEAST_TEXT, framed), encoding="utf-8")
    command = [
        str(BROWSER), "--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", 
        "--hide-scrollbars", "--window-size=900,3200",
        f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=3000", "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
    title = re.search(r"<title>(.*?)</title>", done.stdout)
    assert title is not None
    found = json.loads(unescape(title[1]))
    assert found["width"] == found["scroll"] == PHONE
    assert found["beyond"] == []
    assert found["small"] == []
    assert "40%" in found["cut"]  # 60 of 100 parts are drawn over
