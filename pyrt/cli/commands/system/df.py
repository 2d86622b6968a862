"""``pyrt system df``."""

from __future__ import annotations

import sys

import click

from pyrt.cli.command import Command
from pyrt.cli.printers.columns import aligned
from pyrt.cli.session import Session
from pyrt.cli.sizes import human

EXAMPLES = """
# What uses the disk?
pyrt system df
"""


@click.command(cls=Command, name="df", examples=EXAMPLES)
@click.option("-o", "--output", default="", metavar="FORMAT", help="One of: (json).")
@click.pass_obj
def command(session: Session, /, output: str) -> None:
    """Show how much disk images, containers, volumes and logs use, and how much of it could be reclaimed."""
    answer = session.api.get("/apis/pyrt.dev/v1/system/df")
    if output == "json":
        from pyrt.cli.printers.document import as_json

        sys.stdout.write(as_json(answer))
        return
    rows = [["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"]]
    for item in answer.get("items") or ():
        size, reclaimable = item.get("size", 0), item.get("reclaimable", 0)
        part = f" ({reclaimable * 100 // size}%)" if size else ""
        counts = [str(item.get("total", 0)), str(item.get("active", 0))]
        rows.append([str(item["type"]).title(), *counts, human(size), f"{human(reclaimable)}{part}"])
    sys.stdout.write(aligned(rows))
