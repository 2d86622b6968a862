"""``pyrt create namespace``."""

from __future__ import annotations

import click

from pyrt.cli.command import Command
from pyrt.cli.commands.create.making import exact_name, make, making_options
from pyrt.cli.session import Session
from pyrt.client.resources import NAMESPACE

EXAMPLES = """
# Create a new namespace named my-namespace
pyrt create namespace my-namespace
"""


@click.command(cls=Command, name="namespace", examples=EXAMPLES, arguments="NAME")
@click.argument("words", nargs=-1)
@making_options
@click.pass_obj
def command(session: Session, /, words: tuple[str, ...], output: str, dry_run: str) -> None:
    """Create a namespace with the specified name."""
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": exact_name(words)}}
    make(session, NAMESPACE, body, output, dry_run)
