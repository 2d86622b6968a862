"""Debian packages as trees of files: downloaded once by apt, unpacked by dpkg-deb."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path


class Packages:
    """A cache of downloaded packages."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache

    def unpack(self, names: Sequence[str], target: Path) -> None:
        """Unpack the packages over one another into ``target``. Their scripts are not run."""
        target.mkdir(parents=True, exist_ok=True)
        for package in self._files(names):
            subprocess.run(["dpkg-deb", "-x", str(package), str(target)], check=True)

    def _files(self, names: Sequence[str]) -> list[Path]:
        self._cache.mkdir(parents=True, exist_ok=True)
        missing = [name for name in names if not self._cached(name)]
        if missing:
            # As root apt would hand the download to a user who may not write here.
            command = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *missing]
            done = subprocess.run(command, cwd=self._cache, capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(f"apt-get download {' '.join(missing)}: {done.stderr.strip()}\ntry: apt-get update")
        return [self._cached(name)[-1] for name in names]

    def _cached(self, name: str) -> list[Path]:
        return sorted(self._cache.glob(f"{name}_*.deb"), key=os.path.getmtime)
