"""Threads that share the work of an operation: how long each spins before it gives its core away."""

from __future__ import annotations

import os
import sys

SPINS = "1000"
"""Some microseconds. GNU's OpenMP spins hundreds of times as long where it believes that the cores are its own."""


def give_way_soon() -> None:
    """Let a thread that waits for the others sleep after some microseconds, unless the user has set how it waits.

    Small networks wait thousands of times a second. Where anything else wants the cores, spinning keeps them from those
    that are waited for: twelve pictures took over 100 s instead of 8 beside three busy processes on two cores.
    Has to be called before torch is imported; after that nothing is set, since nobody would read it.
    """
    if "torch" not in sys.modules and "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
