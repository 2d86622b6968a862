"""Capability names and sets (capabilities(7)). A set is an integer with bit n for capability n, as /proc/PID/status
has it.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable

NAMES = (
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID",
    "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN",
    "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
)  # fmt: skip
"""By number (linux/capability.h)."""

NUMBERS = {name: number for number, name in enumerate(NAMES)}

ALL = (1 << len(NAMES)) - 1
SYS_ADMIN = 1 << NUMBERS["CAP_SYS_ADMIN"]

DEFAULT = (
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID",
    "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE",
)  # fmt: skip
"""What a container has when its securityContext says nothing: containerd's and Docker's set."""


@functools.lru_cache(maxsize=256)
def mask(names_: tuple[str, ...]) -> int:
    """The set of these names. Unknown names are left out: the spec has a runtime warn and go on (config.md)."""
    bits = 0
    for name in names_:
        number = NUMBERS.get(name)
        if number is not None:
            bits |= 1 << number
    return bits


def unknown(names_: Iterable[str]) -> list[str]:
    """Those that are no capability's name."""
    return [name for name in names_ if name not in NUMBERS]


def names(bits: int) -> list[str]:
    """The names of a set, by number."""
    return [name for number, name in enumerate(NAMES) if bits >> number & 1]


def adjusted(add: Iterable[str], drop: Iterable[str], default: Iterable[str] = DEFAULT) -> tuple[str, ...]:
    """The default set with some added and some dropped, as Kubernetes writes them: without ``CAP_``, ``ALL`` for
    every one.

    Adding wins over dropping ALL, dropping a name wins over adding ALL (as containerd has it).
    """
    adding = {f"CAP_{name.upper().removeprefix('CAP_')}" for name in add}
    dropping = {f"CAP_{name.upper().removeprefix('CAP_')}" for name in drop}
    chosen = set(NAMES) if "CAP_ALL" in adding else set() if "CAP_ALL" in dropping else set(default)
    chosen |= adding - {"CAP_ALL"}
    chosen -= dropping - {"CAP_ALL"}
    return tuple(sorted(chosen, key=lambda name: NUMBERS.get(name, len(NAMES))))


def of_process(status: str | os.PathLike[str] = "/proc/self/status") -> int:
    """What this process may pass on: its bounding set, of which it also holds what is permitted."""
    bounding = permitted = 0
    with open(status, encoding="utf-8") as file:
        for line in file:
            key, _, value = line.partition(":")
            if key == "CapBnd":
                bounding = int(value, 16)
            elif key == "CapPrm":
                permitted = int(value, 16)
    return bounding & permitted
