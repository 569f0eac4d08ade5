"""From a solver's spec to the solver."""

from __future__ import annotations

from dynaxx.noise.solve.ancestral import Ancestral
from dynaxx.noise.solve.ddim import Ddim
from dynaxx.noise.solve.dpmpp_2m import Dpmpp2m
from dynaxx.noise.solve.heun import Heun
from dynaxx.noise.solve.step import Solver
from dynaxx.spec.solver import SolverSpec


def make_solver(spec: SolverSpec) -> Solver:
    """The solver that `spec.kind` names."""
    match spec.kind:
        case "ddim":
            return Ddim()
        case "heun":
            return Heun()
        case "dpmpp-2m":
            return Dpmpp2m()
        case "ancestral":
            return Ancestral(spec.eta)
