"""A page in a real browser, in a frame as wide as a phone."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WIDTH = 375
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")


def width_and_extent(html: str, folder: Path) -> tuple[int, int]:
    """How wide the frame is, and how far its page reaches, in pixels."""
    page = folder / "page.html"
    inner = json.dumps(html).replace("</", "<\\/")
    page.write_text(f"""<!doctype html><meta charset="utf-8"><title>none</title>
<iframe id="page" style="width:{WIDTH}px;height:3000px;border:0"></iframe><script>
const frame = document.getElementById("page");
frame.addEventListener("load", () => {{
  const root = frame.contentDocument.documentElement;
  document.title = JSON.stringify([root.clientWidth, root.scrollWidth]);
}});
frame.srcdoc = {inner};
</script>""")
    command = [
        str(BROWSER), "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
        "--window-size=900,3200", f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=3000", "--dump-dom",
        page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    title = re.search(r"<title>(.*?)</title>", done.stdout)
    assert title is not None
    width, extent = json.loads(unescape(title[1]))
    return width, extent
