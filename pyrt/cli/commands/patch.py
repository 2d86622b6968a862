"""``pyrt patch``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

import click

from pyrt.cli.changing import Change, Chosen, chosen, finish, send
from pyrt.cli.command import Command
from pyrt.cli.failure import CliError
from pyrt.cli.options import complete_resources, file_options, output_option
from pyrt.cli.session import Session
from pyrt.client.api import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH

EXAMPLES = """
# Change a container's image, by the container's name
pyrt patch pod web -p '{"spec":{"containers":[{"name":"app","image":"nginx:1.27"}]}}'

# The same with positions in an array
pyrt patch pod web --type=json -p='[{"op":"replace","path":"/spec/containers/0/image","value":"nginx:1.27"}]'

# Give a running container more memory
pyrt patch pod web --subresource=resize \
 -p '{"spec":{"containers":[{"name":"app","resources":{"limits":{"memory":"1Gi"}}}]}}'

# Take a label away
pyrt patch pod web --type=merge -p '{"metadata":{"labels":{"tier":null}}}'
"""
TYPES: Final = {"json": JSON_PATCH, "merge": MERGE_PATCH, "strategic": STRATEGIC_PATCH}

Object = dict[str, Any]


@click.command(
    cls=Command, name="patch", examples=EXAMPLES, arguments="(-f FILENAME | TYPE NAME) [-p PATCH|--patch-file FILE]"
)
@click.argument("words", nargs=-1, shell_complete=complete_resources)
@file_options
@click.option("-p", "--patch", "text", metavar="PATCH", default="", help="The patch, as JSON or YAML.")
@click.option("--patch-file", metavar="FILE", default="", help="A file with the patch.")
@click.option("--type", "kind", metavar="TYPE", default="strategic", help="json, merge or strategic (the default).")
@click.option("--subresource", metavar="NAME", default="", help="Patch this part of the object (status, resize...).")
@click.option("--dry-run", metavar="STRATEGY", default="none", help="none, client or server: change nothing.")
@output_option("json, yaml, name")
@click.pass_obj
def command(
    session: Session,
    /,
    words: tuple[str, ...],
    filenames: tuple[str, ...],
    recursive: bool,
    text: str,
    patch_file: str,
    kind: str,
    subresource: str,
    dry_run: str,
    output: str,
) -> None:
    """Update fields of a resource using strategic merge patch, a JSON merge patch, or a JSON patch."""
    if kind not in TYPES:
        raise CliError(f"--type must be one of {', '.join(sorted(TYPES))}, not {json.dumps(kind)}")
    patch = _patch(text, patch_file)
    change = Change("patched", dry_run, output, field_manager="kubectl-patch", unchanged="patched (no change)")

    def patched(one: Chosen) -> Object:
        if change.local:
            return _locally(session, one, kind, patch)
        return send(session, one, change, patch, TYPES[kind], subresource)

    finish(session, chosen(session, words, filenames, recursive), change, patched)


def _patch(text: str, file: str) -> Any:
    if bool(text) == bool(file):
        raise CliError(
            "must specify exactly one of --patch or --patch-file"
            if text
            else "must specify --patch or --patch-file containing the contents of the patch"
        )
    source = "-p" if text else file
    raw = text.encode() if text else sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    from pyrt.kube.manifest import ManifestError, load_value

    try:
        return load_value(raw)
    except ManifestError as error:
        raise CliError(f"unable to parse {source}: {error}") from error


def _locally(session: Session, one: Chosen, kind: str, patch: Any) -> Object:
    """``--dry-run=client``: nothing is sent."""
    from pyrt.kube import jsonpatch, strategic

    live = session.api.get(one.path)
    apply = {"json": jsonpatch.apply, "merge": jsonpatch.merge, "strategic": strategic.apply}[kind]
    patched: Object = apply(live, patch)
    return patched
