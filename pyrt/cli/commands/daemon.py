"""``pyrt daemon``."""

from __future__ import annotations

import click

from pyrt.cli.command import Command
from pyrt.cli.session import Session

EXAMPLES = """
# Run the daemon in the foreground
pyrt daemon

# With a configuration of one's own
pyrt daemon --config ./config.toml
"""


@click.command(cls=Command, name="daemon", examples=EXAMPLES, daemonless=True)
@click.option("--log-level", default="info", metavar="LEVEL", help="debug, info, warning or error.")
@click.pass_obj
def command(session: Session, /, log_level: str) -> int:
    """Run the daemon in the foreground.

    The other commands start it in the background when none answers, so this is for service managers (it
    speaks sd_notify) and for those who want to watch it.
    """
    from pyrt.config import load_config
    from pyrt.daemon.main import run

    return run(load_config(session.config), log_level=log_level.upper())
