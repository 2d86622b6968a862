"""The ``pyrt`` command line.

What is imported here is paid for by every command: see tests/unit/cli/test_startup.py before adding to it. A command is
a module in :mod:`pyrt.cli.commands`, imported when it is called by its name.
"""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    """The entry point: run the command that ``sys.argv`` names, and exit with its code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line. Every expected failure is printed on stderr as kubectl does, and becomes an exit code."""
    from pyrt.cli.failure import reported
    from pyrt.cli.root import cli

    with reported() as outcome:
        outcome.code = cli.main(arguments, prog_name="pyrt", standalone_mode=False) or 0
        sys.stdout.flush()
    return outcome.code
