"""``pyrt create``."""

from __future__ import annotations

import click

from pyrt.cli.command import Command
from pyrt.cli.commands.apply import say, with_namespace
from pyrt.cli.failure import CliError, CommandExit, message, warn
from pyrt.cli.manifests import load
from pyrt.cli.options import file_options, output_option
from pyrt.cli.placing import Place, place
from pyrt.cli.session import Session
from pyrt.client.api import Query
from pyrt.client.errors import ApiError
from pyrt.client.resources import NAMESPACE
from pyrt.errors import PyrtError

EXAMPLES = """
# Create a pod using the data in pod.json
pyrt create -f ./pod.json

# Create a pod based on the JSON passed into stdin
cat pod.json | pyrt create -f -

# Create a namespace
pyrt create namespace build
"""


@click.command(cls=Command, name="create", examples=EXAMPLES, arguments="(-f FILENAME | namespace NAME)")
@click.argument("words", nargs=-1)
@file_options
@output_option("name, json, yaml")
@click.option("--dry-run", metavar="STRATEGY", default="none", help="none, client or server: change nothing.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    words: tuple[str, ...],
    filenames: tuple[str, ...],
    recursive: bool,
    output: str,
    dry_run: str,
) -> None:
    """Create a resource from a file or from stdin. It is an error if it exists already."""
    session: Session = ctx.obj
    query = {
        "fieldManager": "kubectl-create",
        "fieldValidation": "Strict",
        "dryRun": "All" if dry_run == "server" else None,
    }
    if words:
        _namespace(session, words, query, output, dry_run)
        return
    if not filenames:
        raise CliError("must specify one of -f and -k")
    failed = False
    for manifest in load(filenames, recursive=recursive):
        try:
            where = place(session, manifest)
            body = with_namespace(manifest.object, where)
            try:
                live = body if dry_run == "client" else session.api.call("POST", where.collection, query, body=body)
            except ApiError as refused:
                raise refused.with_source("creating", manifest.source) from refused
            name = (live.get("metadata") or {}).get("name") or where.name
            say(Place(where.resource, where.namespace, name), "created", live, output, dry_run)
        except PyrtError as error:
            warn(message(error))
            failed = True
    if failed:
        raise CommandExit(1)


def _namespace(session: Session, words: tuple[str, ...], query: Query, output: str, dry_run: str) -> None:
    if not NAMESPACE.answers_to(words[0]):
        raise CliError(f'unknown command "{words[0]}" for "pyrt create": only namespaces are made by name')
    if len(words) != 2:
        raise CliError(f"exactly one NAME is required, got {len(words) - 1}")
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": words[1]}}
    live = body if dry_run == "client" else session.api.call("POST", NAMESPACE.path(None), query, body=body)
    say(Place(NAMESPACE, "", words[1]), "created", live, output, dry_run)
