"""How failures are told to the user, and which exit code they become: kubectl's words and kubectl's codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from pyrt.cli.printable import printable
from pyrt.client.errors import ApiError, UnreachableError
from pyrt.errors import PyrtError

INTERRUPTED = 130
"""128 + SIGINT, as shells report it."""


class CliError(PyrtError):
    """The user asked for something that makes no sense, or a local file is in the way. Printed after ``error: ``."""


class CommandExit(Exception):  # noqa: N818 - not an error: the code of a command in a container
    """End the process with this code; what there was to say has been said."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Outcome:
    """The exit code to be."""

    code = 0


@contextmanager
def reported() -> Iterator[Outcome]:
    """Turn what is raised inside into words on stderr and an exit code."""
    outcome = Outcome()
    try:
        yield outcome
    except CommandExit as end:
        outcome.code = end.code
    except click.exceptions.Exit as end:
        outcome.code = end.exit_code
    except click.UsageError as error:
        outcome.code = _say(usage_message(error))
    except (click.Abort, KeyboardInterrupt):
        outcome.code = INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone (| head): nobody is left to be told. Keep the interpreter from flushing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        outcome.code = 1
    except (PyrtError, OSError, click.ClickException) as error:
        outcome.code = _say(message(error))


def warn(text: str) -> None:
    """A line on stderr."""
    sys.stdout.flush()
    sys.stderr.write(printable(text) + "\n")
    sys.stderr.flush()


def message(error: BaseException) -> str:
    """What is printed for ``error``."""
    if isinstance(error, ApiError):
        return api_message(error)
    if isinstance(error, UnreachableError):
        return f"The connection to the server {error.subject} was refused - did you specify the right host or port?"
    if isinstance(error, OSError):
        name = f"{error.filename}: " if error.filename else ""
        return f"error: {name}{error.strerror or error}"
    if isinstance(error, click.ClickException):
        return f"error: {error.format_message()}"
    return f"error: {error}"


def api_message(error: ApiError) -> str:
    """A failure ``Status``: validation errors cause by cause, all others in one line."""
    if error.reason == "Invalid":
        return _invalid(error)
    reason = f" ({error.reason})" if error.reason and error.reason != "Unknown" else ""
    return f"Error from server{reason}: {error.message}"


def _invalid(error: ApiError) -> str:
    if not error.has_details:
        return f"The request is invalid: {error.message}"
    head = "The request is invalid"
    if error.kind or error.name:
        head = f'The {error.kind} "{error.name}" is invalid'
    elif error.message and not error.causes:
        head = f"{head}: {error.message}"
    causes = list(dict.fromkeys(f"{cause.field}: {cause.message}" for cause in error.causes))
    if not causes:
        return head
    return f"{head}: {causes[0]}" if len(causes) == 1 else "\n* ".join([f"{head}: ", *causes])


def usage_message(error: click.UsageError) -> str:
    """A command line that cannot be understood."""
    path = error.ctx.command_path if error.ctx is not None else "pyrt"
    see = f"See '{path} --help' for usage."
    if isinstance(error, click.NoSuchOption):
        name = error.option_name
        text = f"unknown flag: {name}" if name.startswith("--") else f"unknown shorthand flag: '{name[1:]}' in {name}"
        return f"error: {text}\n{see}"
    if isinstance(error, click.BadOptionUsage):
        return f"error: flag needs an argument: {error.option_name}\n{see}"
    return f"error: {error.format_message()}\n{see}"


def _say(text: str) -> int:
    warn(text)
    return 1
