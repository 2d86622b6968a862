"""The machine: who we are, what we may do, where there is room."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from pyrt.cli.check.model import Finding, Status, finding, read
from pyrt.cli.sizes import human

LITTLE = 2 * 10**9
"""Bytes of free disk below which a warning is due: one image of middling size."""
LEAST = 100 * 10**6
"""Bytes below which nothing can be expected to work."""

NECESSARY = {
    0: "CAP_CHOWN", 1: "CAP_DAC_OVERRIDE", 3: "CAP_FOWNER", 5: "CAP_KILL", 6: "CAP_SETGID", 7: "CAP_SETUID",
    8: "CAP_SETPCAP", 12: "CAP_NET_ADMIN", 18: "CAP_SYS_CHROOT", 19: "CAP_SYS_PTRACE",
    21: "CAP_SYS_ADMIN", 27: "CAP_MKNOD",
}  # fmt: skip
USEFUL = {
    24: ("CAP_SYS_RESOURCE", "negative oom_score_adj and raised hard rlimits are clamped"),
    13: ("CAP_NET_RAW", "pods cannot ping"),
    16: ("CAP_SYS_MODULE", "privileged pods cannot load modules"),
    31: ("CAP_SETFCAP", "images with file capabilities lose them"),
}


def root() -> Iterator[Finding]:
    """The daemon has to be root."""
    yield finding(
        "user",
        os.geteuid() == 0,
        "root" if os.geteuid() == 0 else f"uid {os.geteuid()}",
        "run the daemon, and this check, as root",
        otherwise=Status.WARNING,
    )


def capabilities() -> Iterator[Finding]:
    """The bounding set: what no process below us can have if we cannot."""
    line = next((line for line in read("/proc/self/status").splitlines() if line.startswith("CapBnd:")), "CapBnd: 0")
    bounding = int(line.split()[1], 16)
    missing = [name for bit, name in NECESSARY.items() if not bounding >> bit & 1]
    yield finding(
        "capabilities",
        not missing,
        f"missing: {', '.join(missing)}" if missing else "all that are necessary",
        "give the machine or the outer container these capabilities (docker run --privileged)",
    )
    for bit, (name, effect) in USEFUL.items():
        if not bounding >> bit & 1:
            yield Finding(
                name, Status.WARNING, f"not in the bounding set: {effect}", f"give the outer container {name}"
            )


def disk(root_directory: Path, logs: Path) -> Iterator[Finding]:
    """Room for images, volumes and logs."""
    for name, path in (("disk for images", root_directory), ("disk for logs", logs)):
        there = next(parent for parent in (path, *path.parents) if parent.exists())
        free = shutil.disk_usage(there).free
        status = Status.OK if free >= LITTLE else Status.WARNING if free >= LEAST else Status.MISSING
        remedy = "" if status is Status.OK else f"make room, or put {path} on another file system (config: [paths])"
        yield Finding(name, status, f"{human(free)} free on {there}", remedy)
