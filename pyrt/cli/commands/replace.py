"""``pyrt replace``."""

from __future__ import annotations

import click

from pyrt.cli.changing import Change, Chosen, say
from pyrt.cli.command import Command
from pyrt.cli.commands.apply import with_namespace
from pyrt.cli.failure import CliError, CommandExit, message, warn
from pyrt.cli.manifests import load
from pyrt.cli.options import file_options, output_option
from pyrt.cli.placing import place
from pyrt.cli.session import Session
from pyrt.cli.waiting import until_gone
from pyrt.client.errors import ApiError
from pyrt.errors import PyrtError

EXAMPLES = """
# Replace a pod using the data in pod.json
pyrt replace -f ./pod.json

# Change the image of a pod
pyrt get pod mypod -o yaml | sed 's/\\(image: myimage\\):.*$/\\1:v4/' | pyrt replace -f -

# Delete and then create the pod again
pyrt replace --force -f ./pod.json
"""


@click.command(cls=Command, name="replace", examples=EXAMPLES, arguments="-f FILENAME")
@file_options
@click.option("--force", is_flag=True, help="Delete the object and create it again.")
@click.option("--grace-period", type=int, default=-1, metavar="N", help="With --force: seconds to end in.")
@click.option("--dry-run", metavar="STRATEGY", default="none", help="none, client or server: change nothing.")
@output_option("name")
@click.pass_obj
def command(
    session: Session,
    /,
    filenames: tuple[str, ...],
    recursive: bool,
    force: bool,
    grace_period: int,
    dry_run: str,
    output: str,
) -> None:
    """Replace a resource by file name or stdin. The whole object must be given; get -o yaml shows it."""
    if not filenames:
        raise CliError("Must specify --filename to replace")
    change = Change("replaced", dry_run, output, field_manager="kubectl-replace")
    failed = False
    for manifest in load(filenames, recursive=recursive):
        try:
            where = place(session, manifest)
            one = Chosen(where.resource, where.namespace, where.name)
            body = with_namespace(manifest.object, where)
            if not change.local and force:
                _remove(session, one, grace_period)
                body["metadata"] = {key: value for key, value in body["metadata"].items() if key not in _SERVERS}
                session.api.call("POST", where.collection, change.query, body=body)
            elif not change.local:
                session.api.call("PUT", one.path, change.query, body=body)
            say(one, change)
        except PyrtError as error:
            text = message(error.with_source("replacing", manifest.source) if isinstance(error, ApiError) else error)
            warn(text)
            failed = True
    if failed:
        raise CommandExit(1)


_SERVERS = frozenset({"resourceVersion", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"})
"""What the new object gets its own of."""


def _remove(session: Session, one: Chosen, grace_period: int) -> None:
    try:
        found = session.api.get(one.path)
        query = {} if grace_period < 0 else {"gracePeriodSeconds": grace_period}
        session.api.call("DELETE", one.path, query)
    except ApiError as error:
        if error.code != 404:
            raise
        return
    until_gone(session.api, one.resource, one.namespace, one.name, found["metadata"].get("uid", ""))
