"""``pyrt api-resources``."""

from __future__ import annotations

import sys

import click

from pyrt.cli.command import Command
from pyrt.cli.printers.columns import aligned
from pyrt.cli.session import Session

EXAMPLES = """
# Print the supported API resources
pyrt api-resources

# Print the names that can be given to get, delete and describe
pyrt api-resources -o name
"""


@click.command(cls=Command, name="api-resources", examples=EXAMPLES)
@click.option("-o", "--output", default="", metavar="FORMAT", help="One of: (wide, name).")
@click.option("--namespaced", metavar="BOOL", default="", help="true or false: only (non-)namespaced resources.")
@click.option("--no-headers", is_flag=True, help="Don't print headers.")
@click.pass_obj
def command(session: Session, /, output: str, namespaced: str, no_headers: bool) -> None:
    """Print the supported API resources on the server."""
    found = session.api.discover()
    if namespaced:
        found = [resource for resource in found if resource.namespaced == (namespaced == "true")]
    if output == "name":
        names = (f"{resource.name}.{resource.group}" if resource.group else resource.name for resource in found)
        sys.stdout.write("".join(f"{name}\n" for name in names))
        return
    rows = [] if no_headers else [["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"]]
    if output == "wide" and rows:
        rows[0].append("VERBS")
    for resource in sorted(found, key=lambda resource: (resource.group, resource.name)):
        row = [
            resource.name,
            ",".join(resource.short_names),
            resource.api_version,
            "true" if resource.namespaced else "false",
            resource.kind,
        ]
        rows.append([*row, ",".join(resource.verbs)] if output == "wide" else row)
    sys.stdout.write(aligned(rows))
