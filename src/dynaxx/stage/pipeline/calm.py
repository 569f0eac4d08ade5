"""What libraries say and draw while pipelines are opened and run, less what its users can do nothing about."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from threading import Lock
from typing import Any, final

CHATTER = ("requires torchvision (not installed)", "Setting `clean_caption", "An error occurred while trying to fetch")
"""Parts of messages: of a class with a stand-in, of prompts that are not rid of markup, of what our own error tells."""


@final
class _Chatter(logging.Filter):
    """Keeps such messages back, whoever of a library's modules says them."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a message is passed on."""
        return not any(part in record.getMessage() for part in CHATTER)


@final
class _Bars:
    """How many are inside without bars, and which libraries drew some before the first."""

    def __init__(self) -> None:
        self.lock, self.inside, self.drew = Lock(), 0, list[Any]()


_held_back, _bars = _Chatter(), _Bars()


def calm_diffusers() -> Any:
    """Diffusers, which from now on keeps chatter back, and so does transformers; all else that they say is said."""
    import diffusers

    for library in _libraries():
        library.get_logger()  # only then has it a handler
        for handler in logging.getLogger(library.__name__.partition(".")[0]).handlers:
            if _held_back not in handler.filters:
                handler.addFilter(_held_back)
    return diffusers


@contextmanager
def without_bars() -> Iterator[None]:
    """Without the libraries' own progress bars: a cascade's says what is going on. Several threads may be inside."""
    with _bars.lock:
        if not _bars.inside:
            _bars.drew = [library for library in _libraries() if library.is_progress_bar_enabled()]
        _bars.inside += 1
        for library in _bars.drew:
            library.disable_progress_bar()
    try:
        yield
    finally:
        with _bars.lock:
            _bars.inside -= 1
            for library in () if _bars.inside else _bars.drew:
                library.enable_progress_bar()


def _libraries() -> list[Any]:
    """The loggers of the libraries that are installed."""
    from diffusers.utils import logging as ours

    if find_spec("transformers") is None:
        return [ours]
    from transformers.utils import logging as theirs

    return [ours, theirs]
