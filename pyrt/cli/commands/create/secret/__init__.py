"""``pyrt create secret``: one module a subcommand."""

from __future__ import annotations

from pyrt.cli.command import Entry, LazyGroup

SECTION = "Commands"

command = LazyGroup(
    "secret",
    package="pyrt.cli.commands.create.secret",
    entries=(
        Entry("docker-registry", "Create a secret for use with a Docker registry", SECTION),
        Entry("generic", "Create a secret from a local file, directory, or literal value", SECTION),
        Entry("tls", "Create a TLS secret", SECTION),
    ),
    help="Create a secret using a specified subcommand.",
    params=[],
)
