"""Solvers: generators of named steps along a path of levels."""

from __future__ import annotations

from dynaxx.noise.solve.make import make_solver

__all__ = ["make_solver"]
