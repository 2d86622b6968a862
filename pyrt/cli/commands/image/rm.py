"""``pyrt image rm``."""

from __future__ import annotations

import sys

import click

from pyrt.cli.command import Command
from pyrt.cli.failure import CommandExit, message, warn
from pyrt.cli.images import IMAGES
from pyrt.cli.session import Session
from pyrt.client.errors import ApiError

EXAMPLES = """
# Remove an image
pyrt image rm nginx:latest
"""


@click.command(cls=Command, name="rm", examples=EXAMPLES, arguments="IMAGE...")
@click.argument("images", nargs=-1, required=True)
@click.option("-f", "--force", is_flag=True, help="Remove the name even while a container uses the image.")
@click.pass_obj
def command(session: Session, /, images: tuple[str, ...], force: bool) -> None:
    """Remove names of images, and the images that have none left."""
    failed = False
    for reference in images:
        try:
            answer = session.api.call("DELETE", IMAGES, {"ref": reference, "force": force or None})
        except ApiError as error:
            warn(message(error))
            failed = True
            continue
        sys.stdout.write("".join(f"Untagged: {name}\n" for name in answer.get("untagged") or ()))
        sys.stdout.write("".join(f"Deleted: {digest}\n" for digest in answer.get("deleted") or ()))
    if failed:
        raise CommandExit(1)
