"""``pyrt set image``."""

from __future__ import annotations

from typing import Any

import click

from pyrt.cli.changing import Change, Chosen, chosen, finish, send
from pyrt.cli.command import Command
from pyrt.cli.failure import CliError
from pyrt.cli.options import complete_resources, file_options, output_option
from pyrt.cli.session import Session
from pyrt.client.api import STRATEGIC_PATCH

EXAMPLES = """
# Set the image of container app of a pod; that container alone is restarted
pyrt set image pod/web app=nginx:1.27

# Set the images of all containers
pyrt set image pod web '*=nginx:1.27'
"""

Object = dict[str, Any]


@click.command(cls=Command, name="image", examples=EXAMPLES, arguments="(-f FILENAME | TYPE NAME) CONTAINER=IMAGE ...")
@click.argument("words", nargs=-1, shell_complete=complete_resources)
@file_options
@click.option("-l", "--selector", metavar="SELECTOR", help="Filter on labels: =, ==, !=, in, notin. (e.g. -l a=b,c).")
@click.option("--all", "everything", is_flag=True, help="All objects of the type in the namespace.")
@click.option("--dry-run", metavar="STRATEGY", default="none", help="none, client or server: change nothing.")
@output_option("json, yaml, name")
@click.pass_obj
def command(
    session: Session,
    /,
    words: tuple[str, ...],
    filenames: tuple[str, ...],
    recursive: bool,
    selector: str | None,
    everything: bool,
    dry_run: str,
    output: str,
) -> None:
    """Update the image of containers and init containers. * is every container."""
    images = dict(word.split("=", 1) for word in words if "=" in word)
    if not images or not all(name and image for name, image in images.items()):
        raise CliError("all resources must be specified before image changes, as CONTAINER=IMAGE")
    names = tuple(word for word in words if "=" not in word)
    found = chosen(session, names, filenames, recursive, selector=selector, everything=everything)
    change = Change("image updated", dry_run, output, "kubectl-set", unchanged="image unchanged")

    def changed(one: Chosen) -> Object | None:
        pod = session.api.get(one.path)
        patch = {"spec": _patch(pod, images)}
        if not patch["spec"]:
            return None
        if change.local:
            from pyrt.kube import strategic

            return strategic.apply(pod, patch)
        return send(session, one, change, patch, STRATEGIC_PATCH)

    finish(session, found, change, changed)


def _patch(pod: Object, images: dict[str, str]) -> Object:
    spec: Object = pod.get("spec") or {}
    known = {item["name"] for kind in ("containers", "initContainers") for item in spec.get(kind) or ()}
    for name in images:
        if name != "*" and name not in known:
            raise CliError(f'unable to find container named "{name}"')
    patch: Object = {}
    for kind in ("initContainers", "containers"):
        items = [
            {"name": item["name"], "image": image}
            for item in spec.get(kind) or ()
            if (image := images.get(item["name"]) or images.get("*")) and image != item.get("image")
        ]
        if items:
            order = [{"name": item["name"]} for item in spec[kind]]
            patch |= {f"$setElementOrder/{kind}": order, kind: items}
    return patch
