"""``pyrt create -f``."""

from __future__ import annotations

import click

from pyrt.cli.command import Command
from pyrt.cli.commands.apply import say, with_namespace
from pyrt.cli.commands.create.making import create_query, making_options
from pyrt.cli.failure import CliError, CommandExit, message, warn
from pyrt.cli.manifests import load
from pyrt.cli.options import file_options
from pyrt.cli.placing import Place, place
from pyrt.cli.session import Session
from pyrt.client.errors import ApiError
from pyrt.errors import PyrtError

EXAMPLES = """
# Create a pod using the data in pod.json
pyrt create -f ./pod.json

# Create a pod based on the JSON passed into stdin
cat pod.json | pyrt create -f -
"""


@click.command(cls=Command, name="create", examples=EXAMPLES, arguments="-f FILENAME")
@file_options
@making_options
@click.pass_obj
def command(
    session: Session,
    /,
    filenames: tuple[str, ...],
    recursive: bool,
    output: str,
    dry_run: str,
) -> None:
    """Create a resource from a file or from stdin. It is an error if it exists already."""
    query = create_query(dry_run)
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
