"""The process of the `regsearch` command: its streams, what interrupts it, and how it ends."""

from __future__ import annotations

import gc
import logging
import os
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from io import TextIOWrapper
from itertools import pairwise
from threading import Lock, Thread
from typing import Any, NoReturn

import typer

from regsearch.data.refusal import short
from regsearch.errors import MORE_MEMORY, RegsearchError
from regsearch.search.cli import app


def main() -> NoReturn:
    """Run the command.  Every expected failure is one line on standard error."""
    received: list[int] = []
    code, again = 1, ""
    gc.set_threshold(10_000)  # or a tenth of a search's time goes into looking for garbage among what is imported
    _open_streams()
    for library in ("mlflow.store", "sqlalchemy.pool"):  # they print tracebacks
        logging.getLogger(library).setLevel(logging.CRITICAL)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: _interrupt(received, number))
    ignored = sys.unraisablehook
    sys.unraisablehook = _interrupting_again(received, ignored)
    try:
        again = _again(sys.argv[1:])  # before an interruption, which may leave half of a package imported
        code = app(prog_name="regsearch", standalone_mode=False) or 0
    except (Exception, KeyboardInterrupt) as error:
        usage = getattr(error, "format_message", None)  # Typer keeps the class of its usage errors private
        if not received:  # otherwise a library raised this because of the interruption
            message, code = (_usage(error, usage()), 2) if usage else _explained(error)
            _fail(message + (_unquoted(sys.argv) if code == 2 else ""), code)
    finally:
        sys.unraisablehook = ignored
    if received and code:  # code is 0 when the UI was interrupted, which is how it ends
        code = _fail(f"stopped; resume with: {again}" if again else "stopped", 128 + received[-1])
    gc.freeze()  # or a second goes into looking for garbage once more, in what is imported, before the process ends
    sys.exit(code)


def _again(arguments: Sequence[str]) -> str:
    """Return the command with these arguments, without the secrets of addresses, fit to be pasted."""
    if any("://" in argument for argument in arguments):
        from regsearch.tracking.addresses import without_secrets

        arguments = [without_secrets(argument) for argument in arguments]
    return shlex.join(["regsearch", *arguments])


def _open_streams() -> None:
    """Let printing never fail: for want of a stream that the caller closed, or of a character in its encoding."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, os.O_RDWR)  # the lowest free number: this stream's, or files would get it
            setattr(sys, name, open(opened, "w" if number else "r", encoding="utf-8"))  # noqa: SIM115, PTH123
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors="replace")


def _usage(error: BaseException, message: str) -> str:
    from pydantic import ValidationError

    from regsearch.search.config.expectations import problem_in_words

    if isinstance(error.__cause__, ValidationError):  # Typer hands on what pydantic says of a value
        (problem,) = error.__cause__.errors()
        message = message.replace(problem["msg"], problem_in_words(problem))
    context = getattr(error, "ctx", None)
    return f"{message.rstrip('.')}; see `{context.command_path if context else 'regsearch'} --help`"


def _unquoted(arguments: Sequence[str]) -> str:
    """Return what to do if the shell has put names of files into the place of a pattern; else an empty text."""
    for option, value in pairwise(arguments):
        if option in ("--features", "--exclude", "--covariate") and os.path.isfile(value):  # noqa: PTH113
            named = f"{option} names the file {short(value)}"
            return f"; {named}: if you gave a pattern, quote it, as in {option} 'unit_*', or the shell lists files"
    return ""


def _interrupt(received: list[int], number: int) -> NoReturn:
    """Stop as Ctrl-C does, and remember the signal."""
    received.append(number)
    raise KeyboardInterrupt


def _is_interruption(what: sys.UnraisableHookArgs) -> bool:
    return issubclass(what.exc_type, KeyboardInterrupt)


def _interrupting_again(received: Sequence[int], otherwise: Callable[[Any], object]) -> Callable[[Any], object]:
    """Return a hook that sends a signal again which came while a finaliser ran: Python ignores what is raised there."""

    def send(left: Lock) -> None:
        with left:
            os.kill(os.getpid(), received[-1])

    def hook(what: Any) -> None:
        if not _is_interruption(what):
            otherwise(what)
            return
        left = Lock()
        left.acquire()
        try:
            Thread(target=send, args=(left,)).start()
        finally:
            left.release()  # the last step: what is raised before the hook is left is ignored, too

    return hook


def _explained(error: BaseException) -> tuple[str, int]:
    """Return the line to print and the exit code; raise what nobody expected."""
    if isinstance(error, RegsearchError):
        return str(error), error.exit_code
    if isinstance(error, MemoryError):
        return MORE_MEMORY, 1

    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    from regsearch.tracking.errors import reason

    if isinstance(error, MlflowException | SQLAlchemyError | OSError):
        return f"{reason(error)}; nothing logged is lost: repair this, and try again", 1
    raise error


def _fail(message: str, code: int) -> int:
    typer.echo(f"regsearch: {' '.join(message.split())}", file=sys.stderr)
    return code
