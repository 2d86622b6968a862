"""``pyrt set``."""

from __future__ import annotations

from pyrt.cli.command import Entry, LazyGroup, global_options

command = LazyGroup(
    "set",
    package="pyrt.cli.commands.set",
    entries=(Entry("image", "Update the image of containers", "Commands"),),
    help="Configure resources that exist.",
    params=global_options(),
)
