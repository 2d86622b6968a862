"""``pyrt label``."""

from __future__ import annotations

from typing import Any

import click

from pyrt.cli.command import Command
from pyrt.cli.marking import LABEL, mark
from pyrt.cli.options import all_namespaces_option, complete_resources, file_options, output_option
from pyrt.cli.session import Session

EXAMPLES = """
# Set one of the labels of a pod
pyrt label pods web tier=front

# The same, though it has another value already
pyrt label --overwrite pods web tier=back

# On all pods of the namespace
pyrt label pods --all tier=front

# Take it away
pyrt label pods web tier-
"""


@click.command(cls=Command, name="label", examples=EXAMPLES, arguments="(-f FILENAME | TYPE NAME) KEY=VALUE ... [KEY-]")
@click.argument("words", nargs=-1, shell_complete=complete_resources)
@file_options
@click.option("-l", "--selector", metavar="SELECTOR", help="Filter on labels: =, ==, !=, in, notin. (e.g. -l a=b,c).")
@all_namespaces_option
@click.option("--all", "everything", is_flag=True, help="All objects of the type in the namespace.")
@click.option("--overwrite", is_flag=True, help="Change values that are there already.")
@click.option("--list", "list_", is_flag=True, help="Print what is there.")
@click.option("--resource-version", metavar="VERSION", default="", help="Only if this is the object's present version.")
@click.option("--dry-run", metavar="STRATEGY", default="none", help="none, client or server: change nothing.")
@output_option("json, yaml, name")
@click.pass_obj
def command(session: Session, /, words: tuple[str, ...], **flags: Any) -> None:
    """Update the labels on a resource. KEY- takes one away."""
    mark(session, LABEL, words, flags)
