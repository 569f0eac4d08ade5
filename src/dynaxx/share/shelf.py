"""The templates of our pages, and the words in which they say numbers."""

from __future__ import annotations

from functools import cache
from typing import Any

import jinja2

from dynaxx.share.numbers import count, figure, interval, measure, p_value
from dynaxx.share.page import duration
from dynaxx.share.plot import by_category, colours, labelled, marked, plot


@cache
def shelf() -> jinja2.Environment:
    """The environment that pages with plots are rendered in: escaped, and strict about what is missing."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("dynaxx.share", "templates"),
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    environment.filters.update(
        figure=figure, measure=measure, interval=interval, count=count, p_value=p_value, duration=duration, plot=plot,
        colours=colours, marked=marked, by_category=by_category, labelled=labelled, grid=_grid, words=words,
        plain=_plain,
    )  # fmt: skip
    return environment


def words(name: str) -> str:
    """A machine's name as words."""
    return name.replace("_", " ")


def _grid(said: str) -> str:
    """`3x16x16` as a page has it, channels left out: `16 x 16`."""
    return said.partition("x")[2].replace("x", " \u00d7 ")


def _plain(value: Any) -> str:
    return figure(value) if isinstance(value, float) else str(value)
