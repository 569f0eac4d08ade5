"""Every error that Dynaxx raises on purpose.

    DynaxxError (ValueError)
    |-- UsageError          a command or function was called wrongly            exit code 2
    |-- SpecError           a cascade file says something that cannot be meant  exit code 2
    |-- DataError           a file or folder the user named cannot be used      exit code 1
    |-- RunError            a run could not be carried out                      exit code 1
    |-- StoppedError        a signal asked to stop, and the work is saved       exit code 128 + signal
    `-- MissingExtraError   an optional package is needed (also ImportError)    exit code 1

Each names the place, the problem with its value, and the way out.
"""

from __future__ import annotations


class DynaxxError(ValueError):
    """An error with a place, a problem and a way out: `where: problem fix`."""

    exit_code: int = 1

    def __init__(self, where: str, problem: str, fix: str = "") -> None:
        super().__init__(f"{where}: {problem} {fix}".strip() if where else f"{problem} {fix}".strip())
        self.where, self.problem, self.fix = where, problem, fix


class UsageError(DynaxxError):
    """A command or a function was called in a way that cannot be meant."""

    exit_code = 2


class SpecError(DynaxxError):
    """A cascade file, or a value set on it, is wrong; `where` is the path of the field."""

    exit_code = 2


class DataError(DynaxxError):
    """A file or a folder cannot be read, or is not what it claims to be."""


class RunError(DynaxxError):
    """A run could not be carried out with these inputs, weights or devices."""


class StoppedError(DynaxxError):
    """A signal (130: Ctrl-C, 143: SIGTERM) asked a training to stop; the same command goes on from there."""

    def __init__(self, where: str, problem: str, signal: int) -> None:
        super().__init__(where, problem, "The same command goes on from there.")
        self.exit_code = 128 + signal


class MissingExtraError(DynaxxError, ImportError):
    """An optional package is missing; the message says which extra installs it."""
