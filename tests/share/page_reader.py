"""Reads a page as a browser would: tags that nest, what they hold, what they would fetch."""

from __future__ import annotations

import re
from html.parser import HTMLParser

VOID = {"meta", "img", "input", "br", "hr", "link"}


class Reader(HTMLParser):
    """Checks that tags nest, and collects what the page holds."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(html: str) -> Reader:
    """The page, read to its end with every tag closed."""
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


def fetched(html: str) -> list[str]:
    """What the page would ask a network for."""
    bare = re.sub(r"base64,[A-Za-z0-9+/=]*", "", html)
    found = re.findall(r"""(?:src|href)\s*=\s*["']?(?!data:|#)([^"'\s>]+)""", bare)
    return found + re.findall(r"url\((?!data:|#)([^)]*)\)", bare) + re.findall(r"@import|https?://[^\s\"'<]+", bare)
