"""``pyrt system prune``."""

from __future__ import annotations

import sys

import click

from pyrt.cli.asking import confirm
from pyrt.cli.command import Command
from pyrt.cli.session import Session
from pyrt.cli.sizes import human

EXAMPLES = """
# Remove the images that no pod uses
pyrt system prune

# And the pods that have run to their end
pyrt system prune --pods --yes
"""


@click.command(cls=Command, name="prune", examples=EXAMPLES)
@click.option("--pods", is_flag=True, help="Remove the pods that have run to their end (Succeeded, Failed) too.")
@click.option("--images", is_flag=True, default=True, help="Remove the images that no pod uses (the default).")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def command(session: Session, /, pods: bool, images: bool, yes: bool) -> None:
    """Remove finished pods and the images that no pod uses."""
    what = [*(["pods that have run to their end"] if pods else []), *(["images that no pod uses"] if images else [])]
    if not what:
        sys.stdout.write("Nothing to do.\n")
        return
    confirm(f"Remove all {' and all '.join(what)}?", yes=yes)
    answer = session.api.call("POST", "/apis/pyrt.dev/v1/system/prune", body={"images": images, "pods": pods})
    sys.stdout.write("".join(f'pod "{name}" deleted\n' for name in answer.get("pods") or ()))
    sys.stdout.write("".join(f"Deleted: {digest}\n" for digest in answer.get("images") or ()))
    sys.stdout.write(f"Total reclaimed space: {human(answer.get('reclaimed', 0))}\n")
