"""A size that cannot be, found while grids are settled."""

from __future__ import annotations


class Misfit(Exception):
    """A size that cannot be: the key below the stage, what is wrong, the way out."""
