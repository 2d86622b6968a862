"""critest's benchmarks of pyrt and of containerd with runc, in one run."""

from __future__ import annotations

from pathlib import Path


def run(json_file: Path | None) -> int:
    raise NotImplementedError
