"""``pyrt edit``."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from pyrt.cli.changing import Change, Chosen, chosen, say, send
from pyrt.cli.command import Command
from pyrt.cli.failure import CliError, CommandExit, message, warn
from pyrt.cli.options import complete_resources
from pyrt.cli.printers.objects import render
from pyrt.cli.session import Session
from pyrt.client.api import STRATEGIC_PATCH
from pyrt.client.errors import ApiError

EXAMPLES = """
# Edit the pod named web
pyrt edit pod/web

# Use another editor
KUBE_EDITOR=nano pyrt edit pod/web
"""
HEADER = """\
# Please edit the object below. Lines beginning with a '#' will be ignored,
# and an empty file will abort the edit. If an error occurs while saving this file will be
# reopened with the relevant failures.
#
"""

Object = dict[str, Any]


@click.command(cls=Command, name="edit", examples=EXAMPLES, arguments="TYPE NAME | TYPE/NAME")
@click.argument("words", nargs=-1, shell_complete=complete_resources)
@click.option("--subresource", metavar="NAME", default="", help="Edit this part of the object (status, resize...).")
@click.pass_obj
def command(session: Session, /, words: tuple[str, ...], subresource: str) -> None:
    """Edit a resource on the server with $KUBE_EDITOR, $EDITOR, or vi.

    What is refused is opened again, with the reason on top; what could not be saved stays in a file.
    """
    for one in chosen(session, words):
        edit(session, one, subresource)


def edit(session: Session, one: Chosen, subresource: str) -> None:
    """Let the user edit one object until the server takes it, or they give up."""
    from pyrt.kube import strategic
    from pyrt.kube.manifest import ManifestError, load_documents

    live = session.api.get(one.path)
    change = Change("edited", field_manager="kubectl-edit")
    text, problem = render([live], single=True, form="yaml"), ""
    with tempfile.NamedTemporaryFile("w", prefix="pyrt-edit-", suffix=".yaml", delete=False) as file:
        path = Path(file.name)
    while True:
        path.write_text(HEADER + "".join(f"# {line}\n" for line in problem.splitlines()) + text)
        shown = path.read_text()
        _run_editor(path)
        edited = path.read_text()
        if edited == shown or not _content(edited):
            what = f"Edit cancelled, no {'valid ' if problem else ''}changes made."
            sys.stdout.write(what + "\n")
            if problem:
                warn(f'A copy of your changes has been stored to "{path}"')
                raise CommandExit(1)
            path.unlink()
            return
        text = _content(edited)
        try:
            documents = load_documents(edited)
            if len(documents) != 1:
                raise ManifestError(f"expected one object, got {len(documents)}")
            patch = strategic.three_way(live, documents[0], live)
            if patch:
                send(session, one, change, patch, STRATEGIC_PATCH, subresource)
                say(one, change)
            else:
                sys.stdout.write("Edit cancelled, no changes made.\n")
            path.unlink()
            return
        except (ApiError, ManifestError) as error:
            problem = message(error)
            warn(problem)


def _content(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))


def _run_editor(path: Path) -> None:
    editor = os.environ.get("KUBE_EDITOR") or os.environ.get("EDITOR") or "vi"
    try:
        done = subprocess.run([*shlex.split(editor), str(path)], check=False)
    except OSError as error:
        raise CliError(f"there was a problem with the editor {editor!r}: {error.strerror}") from error
    if done.returncode:
        raise CliError(f"there was a problem with the editor {editor!r}: exit status {done.returncode}")
