"""The frame around commands: exit codes, one line of error, one JSON object, no traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Annotated

import pytest
import typer

import dynaxx
from dynaxx.cli import guard
from dynaxx.cli.answer import Answer
from dynaxx.cli.guard import run
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


def test_help_and_version_as_json(capsys: Capture) -> None:
    assert run(["--version", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"version": dynaxx.__version__}
    assert run(["sample", "--help", "--json"]) == 0
    assert "--prompt" in json.loads(capsys.readouterr().out)["help"]


def test_json_before_the_command(capsys: Capture) -> None:
    assert run(["--json", "check", "emoji-exact"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "emoji-exact"


def test_json_without_a_command(capsys: Capture) -> None:
    assert run(["--json"]) == 2
    out, err = capsys.readouterr()
    assert json.loads(out)["error"]["kind"] == "UsageError"
    assert "Usage" in err


def test_json_has_no_word_for_infinity(capsys: Capture) -> None:
    app = typer.Typer()

    @app.command()
    def odd(as_json: Annotated[bool, typer.Option("--json")] = False) -> Answer:
        return Answer({"std": [float("inf"), 1.5], "nested": {"nan": float("nan")}}, lambda console: None)

    assert run(["--json"], app=app) == 0
    out = capsys.readouterr().out
    assert json.loads(out) == {"std": [None, 1.5], "nested": {"nan": None}}
    assert "Infinity" not in out
    assert "NaN" not in out


@pytest.mark.parametrize(
    "arguments",
    [
        ["chekc"],
        ["demo", "--sede", "1"],
        ["check", "a", "b"],
        ["demo", "--seed", "two"],
        ["demo", "--seed=two"],
        ["demo", "--seed"],
    ],
    ids=" ".join,
)
def test_messages_are_sentences_with_the_value(capsys: Capture, arguments: list[str]) -> None:
    assert run(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    said, _, hint = line.partition(" Try 'dynaxx")
    assert said.endswith((".", "?"))
    assert hint
    assert arguments[1 if arguments[-1] == "1" else -1].removeprefix("--seed=") in said


def test_no_arguments_shows_help(capsys: Capture) -> None:
    assert run([]) == 2
    out, err = capsys.readouterr()
    assert err.startswith("Usage")
    assert out == ""


def test_a_closed_pipe_is_no_error() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "dynaxx", "check", "--schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 1


def test_the_module_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "dynaxx", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"dynaxx {dynaxx.__version__}\n"
