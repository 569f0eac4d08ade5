"""The frame around commands: exit codes, one line of error, one JSON object, no traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import pytest
import typer

from dynaxx.cli import guard, run
from dynaxx.errors import DataError, MissingExtraError, RunError, SpecError, UsageError

Capture = pytest.CaptureFixture[str]


def failing(error: BaseException) -> typer.Typer:
    """An app whose one command prints something and raises the error."""
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def fail(as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
        print("a library chatters")
        raise error

    return app


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SpecError("stages.1", "expects 32x32.", "Add a bridge."), 2),
        (UsageError("--size", "cannot be 'x'.", "Give 16x16."), 2),
        (DataError("a.png", "is empty.", "Remove it."), 1),
        (RunError("base", "ran out of memory.", "Halve --batch."), 1),
        (MissingExtraError("emoji", "is missing.", "pip install 'dynaxx[emoji]'"), 1),
        (KeyboardInterrupt(), 130),
        (ZeroDivisionError("division by zero"), 1),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_errors(capsys: Capture, error: BaseException, code: int, as_json: bool) -> None:
    assert run(["--json"] if as_json else [], app=failing(error)) == code
    out, err = capsys.readouterr()
    complaint = [line for line in err.splitlines() if line.startswith("dynaxx: ")]
    assert len(complaint) == 1
    assert str(error) in complaint[0]
    assert "Traceback" not in err
    if as_json:
        found = json.loads(out)["error"]
        assert found["exit_code"] == code
        assert str(error) in found["message"]
        assert all(found[part] == getattr(error, part) for part in ("where", "problem", "fix") if part in found)


def test_traceback_on_request(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(guard.DEBUG, "1")
    assert run([], app=failing(ZeroDivisionError("division by zero"))) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["chekc"], "chekc"),
        (["check"], "FILE"),
        (["sample", "emoji-exact", "--num", "0"], "--num"),
        (["sample", "emoji-exact", "--size", "16by16"], "16by16"),
        (["sample", "emoji-exact", "--set", "steps"], "path=value"),
        (["sample", "emoji-exact", "--from-stage", "bridge"], "--input"),
        (["demo", "--sede", "1"], "--sede"),
    ],
    ids=" ".join,
)
def test_wrong_usage(capsys: Capture, arguments: list[str], said: str) -> None:
    assert run(arguments) == 2
    assert said in capsys.readouterr().err
    assert run([*arguments, "--json"]) == 2
    assert said in json.loads(capsys.readouterr().out)["error"]["message"]


def test_help_and_version(capsys: Capture) -> None:
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(command in shown for command in ("demo", "check", "sample", "Exit codes"))
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("dynaxx ")


def test_no_arguments_shows_help(capsys: Capture) -> None:
    assert run([]) == 2
    out, err = capsys.readouterr()
    assert "Usage" in out + err


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    code = "import sys; sys.argv = ['dynaxx', 'check', '--schema']; from dynaxx.cli import main; main()"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    process.wait()
