"""``pyrt diff``."""

from __future__ import annotations

import difflib
import sys
from typing import Any

import click

from pyrt.cli.command import Command
from pyrt.cli.commands.apply import apply
from pyrt.cli.failure import CliError, CommandExit, message, warn
from pyrt.cli.manifests import load
from pyrt.cli.options import file_options
from pyrt.cli.placing import Place, place
from pyrt.cli.printers.objects import render
from pyrt.cli.session import Session
from pyrt.client.errors import ApiError
from pyrt.errors import PyrtError

EXAMPLES = """
# What would applying pod.yaml change?
pyrt diff -f pod.yaml

# The same of what is passed into stdin
cat service.yaml | pyrt diff -f -
"""

Object = dict[str, Any]


@click.command(cls=Command, name="diff", examples=EXAMPLES, arguments="-f FILENAME")
@file_options
@click.pass_obj
def command(session: Session, /, filenames: tuple[str, ...], recursive: bool) -> None:
    """Show what applying a configuration would change: the live object, and what the server would make of it.

    Exits with 0 if nothing would change, with 1 if something would, and with 2 if that cannot be told.
    """
    if not filenames:
        raise CliError("must specify one of -f and -k")
    differs = failed = False
    for manifest in load(filenames, recursive=recursive):
        try:
            where = place(session, manifest)
            live = _live(session, where)
            _, merged = apply(session, manifest, where, "server")
            differs = _show(where, live, merged) or differs
        except PyrtError as error:
            warn(message(error))
            failed = True
    if failed or differs:
        raise CommandExit(2 if failed else 1)


def _live(session: Session, where: Place) -> Object | None:
    try:
        return session.api.get(where.path)
    except ApiError as error:
        if error.code != 404:
            raise
        return None


def _show(where: Place, live: Object | None, merged: Object) -> bool:
    kind = ".".join((where.resource.api_version.replace("/", "."), where.resource.kind, where.namespace, where.name))
    before, after = ([] if item is None else _lines(item) for item in (live, merged))
    lines = list(difflib.unified_diff(before, after, f"LIVE/{kind}", f"MERGED/{kind}", lineterm=""))
    if lines:
        sys.stdout.write(f"diff -u -N LIVE/{kind} MERGED/{kind}\n" + "\n".join(lines) + "\n")
        sys.stdout.flush()
    return bool(lines)


def _lines(item: Object) -> list[str]:
    metadata = {key: value for key, value in item["metadata"].items() if key != "managedFields"}
    return render([{**item, "metadata": metadata}], single=True, form="yaml").splitlines()
