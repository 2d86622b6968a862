"""Ask before something is lost."""

from __future__ import annotations

import sys

from pyrt.cli.failure import CliError


def confirm(question: str, *, yes: bool) -> None:
    """Return if the user agrees, or has with ``--yes``. Raises :class:`CliError` otherwise."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise CliError(f"{question} Nobody can be asked, as stdin is not a terminal: say --yes")
    sys.stdout.write(f"{question} [y/N] ")
    sys.stdout.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise CliError("not confirmed: nothing was changed")
