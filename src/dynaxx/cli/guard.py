"""The frame around every command: answers to stdout, errors to one line and an exit code."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import traceback
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import typer

from dynaxx.cli.answer import Answer, pages
from dynaxx.cli.interrupt import INTERRUPTED
from dynaxx.errors import DynaxxError
from dynaxx.store.strict_json import strict_json

DEBUG = "DYNAXX_DEBUG"
WRONG_USAGE: Any = typer.BadParameter.__base__  # click's UsageError, of whichever click typer carries


def run(arguments: Sequence[str], *, app: typer.Typer | None = None) -> int:
    """Run one command; give its exit code: 0 done, 1 could not, 2 wrong usage or bad spec, 130 interrupted."""
    as_json = "--json" in arguments
    try:
        return _deliver(_aside(app, arguments) if as_json else _call(app, arguments), as_json=as_json)
    except BrokenPipeError:
        return _pipe_closed()
    except (KeyboardInterrupt, typer.Abort):
        return _fail(as_json, kind="Interrupted", message="interrupted", exit_code=INTERRUPTED)
    except DynaxxError as error:
        _trace()
        parts = {"where": error.where, "problem": error.problem, "fix": error.fix}
        return _fail(as_json, kind=type(error).__name__, message=str(error), exit_code=error.exit_code, parts=parts)
    except WRONG_USAGE as error:
        return _fail(as_json, kind="UsageError", message=_usage(error, arguments), exit_code=2)
    except Exception as error:
        shown = _trace()
        hint = "" if shown else f" (This was not foreseen; {DEBUG}=1 shows where it arose.)"
        message = " ".join(f"{type(error).__name__}: {error}".split()) + hint
        return _fail(as_json, kind=type(error).__name__, message=message, exit_code=1)


def _aside(app: typer.Typer | None, arguments: Sequence[str]) -> Any:
    """The command's Answer while all that it prints goes to stderr; its help becomes an Answer too."""
    shown = io.StringIO() if "--help" in arguments else None
    with contextlib.redirect_stdout(shown or sys.stderr):
        answer = _call(app, arguments)
    return answer if shown is None or answer else Answer({"help": shown.getvalue()}, lambda console: None)


def _call(app: typer.Typer | None, arguments: Sequence[str]) -> Any:
    """The command's Answer, or an exit code where typer itself has answered (`--help`)."""
    from dynaxx.cli.app import app as ours

    answer = (app or ours)(args=list(arguments), prog_name="dynaxx", standalone_mode=False)
    if answer == INTERRUPTED:  # newer typers turn Ctrl-C into this code themselves
        raise KeyboardInterrupt
    return answer


def _deliver(answer: Any, *, as_json: bool) -> int:
    if not isinstance(answer, Answer):
        return int(answer or 0)
    if as_json:
        print(strict_json(answer.data))
    else:
        answer.show(pages())
    sys.stdout.flush()
    return answer.exit_code


def _fail(as_json: bool, *, kind: str, message: str, exit_code: int, parts: dict[str, str] | None = None) -> int:
    print(f"dynaxx: {message}", file=sys.stderr)
    if as_json:
        error = {"kind": kind, "message": message, **(parts or {}), "exit_code": exit_code}
        print(strict_json({"error": error}))
    return exit_code


def _usage(error: Any, arguments: Sequence[str]) -> str:
    """What typer says is wrong, as a sentence with the value, and where to read on."""
    said = error.format_message().strip()
    options = getattr(getattr(error, "param", None), "opts", ())
    pairs = [*pairwise(arguments), *(argument.partition("=")[::2] for argument in arguments if "=" in argument)]
    value = next((value for option, value in pairs if option in options), "")
    if value and value not in said:
        said = f"{said.rstrip('.')} (it is {value!r})"
    end = "" if said.endswith((".", "!", "?")) else "."
    return f"{said}{end} Try '{error.ctx.command_path if error.ctx else 'dynaxx'} --help'."


def _trace() -> bool:
    """Print the traceback where the user asked for it."""
    wanted = os.environ.get(DEBUG, "") not in ("", "0")
    if wanted:
        traceback.print_exc()
    return wanted


def _pipe_closed() -> int:
    """The reader of our output went away (`| head`): end quietly, and keep Python's exit from complaining."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1
