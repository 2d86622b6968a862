"""``pyrt system check``."""

from __future__ import annotations

import json
import sys

import click

from pyrt.cli.command import Command
from pyrt.cli.printers.columns import aligned
from pyrt.cli.session import Session

EXAMPLES = """
# Can pods run here?
pyrt system check
"""


@click.command(cls=Command, name="check", examples=EXAMPLES, daemonless=True)
@click.option("-o", "--output", default="", metavar="FORMAT", help="One of: (json).")
@click.pass_obj
def command(session: Session, /, output: str) -> int:
    """Tell what this kernel and machine lack, with the remedy. Needs no daemon.

    Exits with 1 if something is missing without which no pod runs.
    """
    from pyrt.cli.check import Status, check
    from pyrt.config import load_config

    paths = load_config(session.config).paths
    findings = check(paths.root, paths.logs)
    if output == "json":
        checks = [
            {"name": item.name, "status": item.status.value, "detail": item.detail, "remedy": item.remedy}
            for item in findings
        ]
        sys.stdout.write(json.dumps({"kind": "SystemCheck", "checks": checks}, indent=2) + "\n")
    else:
        rows = [[item.name, item.status.value, item.detail] for item in findings]
        sys.stdout.write(aligned([["CHECK", "STATUS", "DETAIL"], *rows]))
        remedies = [f"{item.name}: {item.remedy}" for item in findings if item.remedy]
        if remedies:
            sys.stdout.write("\nRemedies:\n" + "".join(f"  {text}\n" for text in remedies))
    return 1 if any(item.status is Status.MISSING for item in findings) else 0
