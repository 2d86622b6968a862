"""Writes the corpus the fuzzer starts from into a directory: every operation alone, and the plans the unit tests
pin.
"""

from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path

from pyrt.launch.operations import OPERATIONS, Operation
from pyrt.launch.plan import GivenFd, Plan

SAMPLES = {"u": 1, "f": 0, "o": 0x10000, "q": 0x20000, "s": "text", "v": ("a", "bc"), "b": b"\0" * 8}


def sample(kind: type[Operation]) -> Operation:
    """An operation with some value for each argument."""
    names = [f.name for f in fields(kind) if f.name != "note"]  # type: ignore[arg-type]
    values: dict[str, object] = {name: SAMPLES[letter] for name, letter in zip(names, kind.SIGNATURE, strict=True)}
    if kind.__name__ == "User":
        values["groups"] = (1, 2)
    return kind(**values)


def main() -> None:
    """Write the files."""
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    everything = []
    for code, kind in OPERATIONS.items():
        operation = sample(kind)
        everything.append(operation)
        (directory / f"op-{code}").write_bytes(Plan((operation,), (GivenFd(0),)).encode())
    (directory / "all").write_bytes(Plan(tuple(everything), (GivenFd(0),)).encode())


if __name__ == "__main__":
    main()
