"""``pyrt system``: one module a subcommand."""

from __future__ import annotations

from pyrt.cli.command import Entry, LazyGroup

SECTION = "Commands"

command = LazyGroup(
    "system",
    package="pyrt.cli.commands.system",
    entries=(
        Entry("check", "Tell what this kernel and machine lack, with the remedy", SECTION),
        Entry("info", "Show versions, configuration and counts", SECTION),
        Entry("df", "Show how much disk images, containers, volumes and logs use", SECTION),
        Entry("prune", "Remove finished pods and unused images", SECTION),
        Entry("reset", "Remove every trace of pyrt from this machine's kernel and disk", SECTION),
    ),
    help="Look at and clean up this machine.",
    params=[],
)
