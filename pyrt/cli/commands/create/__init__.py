"""``pyrt create``: from a file, or one module a kind that can be made from words."""

from __future__ import annotations

from pyrt.cli.command import DefaultGroup, Entry

command = DefaultGroup(
    "create",
    package="pyrt.cli.commands.create",
    default=Entry("FILE", "Create resources from a file or from stdin", "", module="from_file"),
    entries=(
        Entry(
            "configmap",
            "Create a config map from a local file, directory or literal value",
            "Commands",
            aliases=("cm",),
        ),
        Entry("namespace", "Create a namespace with the specified name", "Commands", aliases=("ns",)),
        Entry("secret", "Create a secret using a specified subcommand", "Commands"),
    ),
)
