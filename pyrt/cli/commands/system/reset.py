"""``pyrt system reset``."""

from __future__ import annotations

import sys

import click

from pyrt.cli.asking import confirm
from pyrt.cli.command import Command
from pyrt.cli.session import Session

EXAMPLES = """
# Before uninstalling: remove what pyrt has made in the kernel, and keep images and logs
pyrt system reset

# Everything, images and volumes too
pyrt system reset --data --yes
"""


@click.command(cls=Command, name="reset", examples=EXAMPLES, daemonless=True)
@click.option("--data", is_flag=True, help="Delete images, volumes, logs and the database too.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def command(session: Session, /, data: bool, yes: bool) -> None:
    """Take pyrt off this machine: pods, the daemon, nftables table, cgroups and sysctls; with --data all files too."""
    from pyrt.cli.reset import reset
    from pyrt.config import load_config

    config = load_config(session.config)
    what = f"all pods of {config.paths.run}, their network and cgroups"
    if data:
        what += f", and everything in {config.paths.root}"
    confirm(f"Remove {what}?", yes=yes)
    for line in reset(session, config, data=data):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
