"""``pyrt image inspect``."""

from __future__ import annotations

import sys

import click

from pyrt.cli.command import Command
from pyrt.cli.images import IMAGE
from pyrt.cli.printers.objects import render
from pyrt.cli.session import Session

EXAMPLES = """
# Everything known about an image
pyrt image inspect nginx

# Its entrypoint
pyrt image inspect nginx -o jsonpath='{.config.entrypoint}'
"""


@click.command(cls=Command, name="inspect", examples=EXAMPLES, arguments="IMAGE...")
@click.argument("images", nargs=-1, required=True)
@click.option("-o", "--output", default="json", metavar="FORMAT", help="One of: (json, yaml, jsonpath).")
@click.pass_obj
def command(session: Session, /, images: tuple[str, ...], output: str) -> None:
    """Show everything known about images: digests, size, configuration, history, and the pods that use them."""
    form, _, argument = output.partition("=")
    found = [session.api.get(IMAGE, {"ref": reference}) for reference in images]
    sys.stdout.write(render(found, single=len(found) == 1, form=form, argument=argument))
