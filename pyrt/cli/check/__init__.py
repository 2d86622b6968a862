"""What this kernel and this machine lack, with the remedy: ``pyrt system check``. Needs no daemon.

Every probe asks the kernel itself, by doing in a child process with namespaces of its own what a pod would need;
nothing is concluded from version numbers, and nothing remains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from pyrt.cli.check import kernel, machine, network
from pyrt.cli.check.model import Finding, Status

PROBES: tuple[Callable[[], Iterator[Finding]], ...] = (
    machine.root,
    kernel.release,
    kernel.system_calls,
    kernel.namespaces,
    kernel.user_namespaces,
    kernel.cgroups,
    kernel.overlay,
    kernel.seccomp,
    machine.capabilities,
    kernel.security_modules,
    network.nft,
    network.links,
    network.forwarding,
)


def check(root: Path, logs: Path) -> list[Finding]:
    """Run every probe. ``root`` and ``logs`` are the directories whose file systems have to have room."""
    findings = [finding for probe in PROBES for finding in probe()]
    return [*findings, *machine.disk(root, logs)]


__all__ = ["Finding", "Status", "check"]
