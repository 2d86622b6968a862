"""The top of the command tree."""

from __future__ import annotations

from pyrt.cli.command import LazyGroup, global_options
from pyrt.cli.commands import COMMANDS

cli = LazyGroup(
    "pyrt",
    package="pyrt.cli.commands",
    entries=COMMANDS,
    help="pyrt runs Kubernetes Pods on this machine.\n\nThe commands are kubectl's where kubectl has them.",
    params=global_options(),
)
