"""``pyrt system info``."""

from __future__ import annotations

import sys

import click

from pyrt.cli.command import Command
from pyrt.cli.session import Session

EXAMPLES = """
# Versions, configuration and counts
pyrt system info
"""


@click.command(cls=Command, name="info", examples=EXAMPLES)
@click.option("-o", "--output", default="", metavar="FORMAT", help="One of: (json, yaml).")
@click.pass_obj
def command(session: Session, /, output: str) -> None:
    """Show the daemon's version, kernel, cgroups, configuration and counts."""
    from pyrt.cli.describe.generic import fields_text
    from pyrt.cli.printers.document import as_json, as_yaml

    info = session.api.get("/apis/pyrt.dev/v1/system/info")
    if output in {"json", "yaml"}:
        sys.stdout.write((as_json if output == "json" else as_yaml)(info))
    else:
        sys.stdout.write(fields_text({key: value for key, value in info.items() if key not in {"kind", "apiVersion"}}))
