"""``pyrt version``."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from pyrt import __version__
from pyrt.cli.command import Command
from pyrt.cli.failure import warn
from pyrt.cli.session import Session
from pyrt.client.errors import UnreachableError

EXAMPLES = """
# Print the client and server versions
pyrt version

# Print the client's version only, without asking the daemon
pyrt version --client
"""


@click.command(cls=Command, name="version", examples=EXAMPLES, daemonless=True)
@click.option("--client", is_flag=True, help="If true, shows client version only (no server required).")
@click.option("-o", "--output", default="", metavar="FORMAT", help="One of: (json, yaml).")
@click.pass_obj
def command(session: Session, /, client: bool, output: str) -> None:
    """Print the client and server version information. Does not start the daemon."""
    versions: dict[str, Any] = {"clientVersion": {"gitVersion": f"v{__version__}"}}
    refused = ""
    if not client:
        try:
            versions["serverVersion"] = session.api.get("/version")
        except UnreachableError as error:
            refused = f"No daemon answers on {error.subject}."
    if output == "json":
        sys.stdout.write(json.dumps(versions, indent=2) + "\n")
    elif output == "yaml":
        from pyrt.cli.printers.document import as_yaml

        sys.stdout.write(as_yaml(versions))
    else:
        sys.stdout.write(f"Client Version: {versions['clientVersion']['gitVersion']}\n")
        if server := versions.get("serverVersion"):
            sys.stdout.write(f"Server Version: {server.get('gitVersion', 'unknown')}\n")
    if refused:
        warn(refused)
