"""``pyrt apply``."""

from __future__ import annotations

import sys
from typing import Any

import click

from pyrt.cli.applied import LAST_APPLIED, annotated, last_applied
from pyrt.cli.command import Command
from pyrt.cli.failure import CliError, CommandExit, message, warn
from pyrt.cli.manifests import Manifest, load
from pyrt.cli.options import file_options, output_option
from pyrt.cli.placing import Place, place
from pyrt.cli.session import Session
from pyrt.client.api import STRATEGIC_PATCH
from pyrt.client.errors import ApiError
from pyrt.errors import PyrtError

EXAMPLES = """
# Apply the configuration in pod.yaml
pyrt apply -f pod.yaml

# Apply every manifest of a directory and of those below it
pyrt apply -R -f manifests/

# Apply what is passed into stdin
cat pod.json | pyrt apply -f -
"""

Object = dict[str, Any]


@click.command(cls=Command, name="apply", examples=EXAMPLES, arguments="-f FILENAME")
@file_options
@output_option("name, json, yaml")
@click.option("--dry-run", metavar="STRATEGY", default="none", help="none, client or server: change nothing.")
@click.option("--server-side", is_flag=True, hidden=True)
@click.pass_context
def command(
    ctx: click.Context, /, filenames: tuple[str, ...], recursive: bool, output: str, dry_run: str, server_side: bool
) -> None:
    """Apply a configuration to a resource by file name or stdin.

    The resource is created if it does not exist yet, and changed where it differs from the manifest otherwise.
    """
    session: Session = ctx.obj
    if not filenames:
        raise CliError("must specify one of -f and -k")
    if server_side:
        raise CliError("server-side apply is not supported: apply without --server-side merges three ways on this side")
    if dry_run not in {"none", "client", "server"}:
        raise CliError(f'Invalid dry-run value ({dry_run}). Must be "none", "server", or "client".')
    failed = False
    for manifest in load(filenames, recursive=recursive):
        try:
            where = place(session, manifest)
            outcome, live = apply(session, manifest, where, dry_run)
            say(where, outcome, live, output, dry_run)
        except PyrtError as error:
            warn(message(error))
            failed = True
    if failed:
        raise CommandExit(1)


def apply(session: Session, manifest: Manifest, where: Place, dry_run: str) -> tuple[str, Object]:
    """Create or change one object: (``created``, ``configured`` or ``unchanged``; what the server has now)."""
    if not where.name:
        raise CliError(
            f"error when retrieving current configuration of {manifest.source}: resource name may not be empty"
        )
    wanted = with_namespace(manifest.object, where)
    wanted = annotated(wanted)
    query = {"fieldManager": "kubectl-client-side-apply", "fieldValidation": "Strict"}
    if dry_run == "server":
        query["dryRun"] = "All"
    try:
        live = session.api.get(where.path)
    except ApiError as error:
        if error.code != 404:
            raise error.with_source("retrieving current configuration of", manifest.source) from error
        if dry_run == "client":
            return "created", wanted
        try:
            return "created", session.api.call("POST", where.collection, query, body=wanted)
        except ApiError as refused:
            raise refused.with_source("creating", manifest.source) from refused
    from pyrt.kube import strategic

    last = last_applied(live)
    if last is None:
        warn(
            f"Warning: resource {where.resource.name}/{where.name} is missing the {LAST_APPLIED} annotation which is "
            "required by pyrt apply. The missing annotation will be patched automatically."
        )
    patch = strategic.three_way(last or {}, wanted, live)
    if not patch:
        return "unchanged", live
    if dry_run == "client":
        return "configured", strategic.apply(live, patch)
    try:
        changed = session.api.call("PATCH", where.path, query, body=patch, content_type=STRATEGIC_PATCH)
    except ApiError as refused:
        raise refused.with_source("applying patch to", manifest.source) from refused
    same = not query.get("dryRun") and _version(changed) == _version(live) is not None
    return ("unchanged" if same else "configured"), changed


def _version(item: Object) -> str | None:
    """The server makes no new version of what a patch does not change: a default written out, a quantity otherwise."""
    version: str | None = (item.get("metadata") or {}).get("resourceVersion")
    return version


def with_namespace(item: Object, where: Place) -> Object:
    """The object as it is sent: its namespace written out."""
    if not where.namespace:
        return item
    return {**item, "metadata": {**(item.get("metadata") or {}), "namespace": where.namespace}}


def say(where: Place, outcome: str, live: Object, output: str, dry_run: str = "none") -> None:
    """One line about one object, or the object."""
    if output in {"json", "yaml"}:
        from pyrt.cli.printers.objects import render

        sys.stdout.write(render([live], single=True, form=output))
        return
    suffix = {"client": " (dry run)", "server": " (server dry run)"}.get(dry_run, "")
    sys.stdout.write(f"{where.label}\n" if output == "name" else f"{where.label} {outcome}{suffix}\n")
    sys.stdout.flush()
