"""``pyrt image prune``."""

from __future__ import annotations

import sys

import click

from pyrt.cli.asking import confirm
from pyrt.cli.command import Command
from pyrt.cli.images import IMAGES
from pyrt.cli.session import Session
from pyrt.cli.sizes import human

EXAMPLES = """
# Remove images without a name that no pod uses
pyrt image prune

# Remove all images that no pod uses
pyrt image prune --all
"""


@click.command(cls=Command, name="prune", examples=EXAMPLES)
@click.option("-a", "--all", "everything", is_flag=True, help="Images with a name too.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def command(session: Session, /, everything: bool, yes: bool) -> None:
    """Remove the images that no pod uses."""
    confirm(f"Remove all images {'' if everything else 'without a name '}that no pod uses?", yes=yes)
    answer = session.api.call("POST", f"{IMAGES}/prune", body={"all": everything})
    sys.stdout.write("".join(f"Deleted: {digest}\n" for digest in answer.get("deleted") or ()))
    sys.stdout.write(f"Total reclaimed space: {human(answer.get('reclaimed', 0))}\n")
