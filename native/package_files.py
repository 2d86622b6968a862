"""Prints what a wheel contains of a package directory: its modules and data files, one relative path a line."""

import sys
from pathlib import Path

LEFT_OUT = {"__pycache__", "_libexec"}

root = Path(sys.argv[1])
for path in sorted(root.rglob("*")):
    relative = path.relative_to(root)
    if (
        path.is_file()
        and not LEFT_OUT.intersection(relative.parts)
        and path.suffix not in {".so", ".pyc"}
        and path.stem != "runtime_pb2"
    ):
        sys.stdout.write(f"{relative}\n")
