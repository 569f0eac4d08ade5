"""Processes, levels, parameterisations, guidance and solvers."""
