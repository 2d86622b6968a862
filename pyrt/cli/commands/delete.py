"""``pyrt delete``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import click

from pyrt.cli.command import Command
from pyrt.cli.durations import parse
from pyrt.cli.failure import CliError, CommandExit, message, warn
from pyrt.cli.options import all_namespaces_option, complete_resources, file_options, output_option, selector_options
from pyrt.cli.session import Session
from pyrt.cli.waiting import deadline_in, until_gone
from pyrt.client.errors import ApiError
from pyrt.client.resources import Resource
from pyrt.errors import PyrtError

EXAMPLES = """
# Delete a pod using the type and name specified in pod.yaml
pyrt delete -f ./pod.yaml

# Delete a pod with minimal delay
pyrt delete pod foo --now

# Force delete a pod
pyrt delete pod foo --force

# Delete pods with label name=myLabel
pyrt delete pods -l name=myLabel

# Delete all pods
pyrt delete pods --all
"""
FORCED = (
    "Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. "
    "The resource may continue to run on the cluster indefinitely."
)

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Doomed:
    """One object to be deleted."""

    resource: Resource
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Manner:
    """How."""

    grace_period: int | None = None
    """Seconds; ``None`` for the pod's own."""
    force: bool = False
    wait: bool = True
    timeout: float = 0.0
    """Seconds; 0 waits as long as it takes."""
    ignore_not_found: bool = False
    output: str = ""
    dry_run: str | None = None


@click.command(
    cls=Command,
    name="delete",
    examples=EXAMPLES,
    arguments="([-f FILENAME] | TYPE [(NAME | -l label | --all)] | TYPE/NAME ...)",
)
@click.argument("words", nargs=-1, shell_complete=complete_resources)
@file_options
@selector_options
@all_namespaces_option
@click.option("--all", "everything", is_flag=True, help="Delete all objects of the type in the namespace.")
@click.option("--grace-period", type=int, default=-1, metavar="N", help="Seconds to terminate in; negative: ignored.")
@click.option("--now", is_flag=True, help="Signal for immediate shutdown (same as --grace-period=1).")
@click.option("--force", is_flag=True, help="Bypass graceful deletion: processes are killed at once.")
@click.option("--wait", is_flag=True, default=True, help="Wait for the objects to be gone (the default; --wait=false).")
@click.option("--timeout", default="0s", metavar="DURATION", help="How long to wait; 0s: as long as it takes.")
@click.option("--ignore-not-found", is_flag=True, help='Treat "resource not found" as a successful delete.')
@click.option("--dry-run", metavar="STRATEGY", default="none", help="none, client or server: change nothing.")
@output_option("name")
@click.pass_obj
def command(session: Session, /, words: tuple[str, ...], filenames: tuple[str, ...], **flags: Any) -> None:
    """Delete resources by file names, stdin, resources and names, or by resources and label selector."""
    manner = manner_of(flags)
    doomed = _from_files(session, filenames, flags["recursive"]) if filenames else _from_words(session, words, flags)
    if manner.force:
        warn(FORCED)
    delete(session, doomed, manner)
    if not doomed:
        sys.stdout.write("No resources found\n")


def manner_of(flags: dict[str, Any]) -> Manner:
    """Settle how the flags about time go together, as kubectl does."""
    grace: int = flags["grace_period"]
    if flags["now"]:
        if grace != -1:
            raise CliError("--now and --grace-period cannot be specified together")
        grace = 1
    if flags["force"] and grace > 0:
        raise CliError("--force and --grace-period greater than 0 cannot be specified together")
    if flags["force"]:
        grace = 0
    elif grace == 0:
        grace = 1  # 0 is for those who say --force
    return Manner(
        grace_period=None if grace < 0 else grace,
        force=flags["force"],
        wait=flags["wait"],
        timeout=parse(flags["timeout"]),
        ignore_not_found=flags["ignore_not_found"] or flags["everything"],
        output=flags["output"],
        dry_run=None if flags["dry_run"] == "none" else flags["dry_run"],
    )


def _from_files(session: Session, filenames: tuple[str, ...], recursive: bool) -> list[Doomed]:
    from pyrt.cli.manifests import load
    from pyrt.cli.placing import place

    places = [place(session, manifest) for manifest in load(filenames, recursive=recursive)]
    return [Doomed(where.resource, where.namespace, where.name) for where in places]


def _from_words(session: Session, words: tuple[str, ...], flags: dict[str, Any]) -> list[Doomed]:
    from pyrt.cli.targets import resolve

    if not words:
        raise CliError(
            "You must provide one or more resources by argument or filename.\n"
            "Example resource specifications include:\n   '-f rsrc.yaml'\n   '--filename=rsrc.json'\n"
            "   '<resource> <name>'\n   '<resource>'"
        )
    targets = resolve(session.api, words)
    selected = flags["selector"] or flags["field_selector"] or flags["everything"]
    if any(target.name for target in targets):
        if selected:
            raise CliError("name cannot be provided when a selector is specified")
        return [Doomed(target.resource, session.namespace, target.name) for target in targets]
    if not selected:
        raise CliError("resource(s) were provided, but no name was specified")
    query = {"labelSelector": flags["selector"], "fieldSelector": flags["field_selector"]}
    found: list[Doomed] = []
    for target in targets:
        listing = session.api.get(target.resource.path(None if flags["all_namespaces"] else session.namespace), query)
        for item in listing.get("items") or ():
            metadata = item["metadata"]
            found.append(Doomed(target.resource, metadata.get("namespace", session.namespace), metadata["name"]))
    return found


def delete(session: Session, doomed: list[Doomed], manner: Manner) -> None:
    """Delete all, then wait for all to be gone. Raises :class:`CommandExit` if something could not be deleted."""
    failed = False
    going: list[tuple[Doomed, str]] = []
    for one in doomed:
        try:
            uid = delete_one(session, one, manner)
        except ApiError as error:
            if not (error.code == 404 and manner.ignore_not_found):
                warn(message(error))
                failed = True
            continue
        say(one, manner)
        going.append((one, uid))
    deadline = deadline_in(manner.timeout) if manner.timeout > 0 else None
    for one, uid in going if manner.wait and not manner.dry_run else ():
        try:
            until_gone(session.api, one.resource, one.namespace, one.name, uid, deadline=deadline)
        except PyrtError as error:
            warn(message(error))
            failed = True
    if failed:
        raise CommandExit(1)


def delete_one(session: Session, one: Doomed, manner: Manner) -> str:
    """Ask for the deletion of one object; its uid."""
    options: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
    if manner.grace_period is not None:
        options["gracePeriodSeconds"] = manner.grace_period
    path = one.resource.path(one.namespace, one.name)
    if manner.dry_run == "client":
        return str(session.api.get(path)["metadata"].get("uid", ""))
    query = {"dryRun": "All"} if manner.dry_run == "server" else {}
    answer = session.api.call("DELETE", path, query, body=options)
    # The object while it goes, or a Status with its uid among the details.
    metadata = answer.get("details") if answer.get("kind") == "Status" else answer.get("metadata")
    return str((metadata or {}).get("uid", ""))


def say(one: Doomed, manner: Manner) -> None:
    """``pod "web" deleted``."""
    if manner.output == "name":
        sys.stdout.write(f"{one.resource.qualified}/{one.name}\n")
    else:
        how = "force deleted" if manner.force else "deleted"
        suffix = {"client": " (dry run)", "server": " (server dry run)"}.get(manner.dry_run or "", "")
        sys.stdout.write(f'{one.resource.qualified} "{one.name}" {how}{suffix}\n')
    sys.stdout.flush()
