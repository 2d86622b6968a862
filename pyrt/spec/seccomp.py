"""``linux.seccomp`` of a runtime-spec configuration (config-linux.md, "Seccomp")."""

from __future__ import annotations

from pyrt.spec.base import Spec, Uint64


class LinuxSeccompArg(Spec, frozen=True, kw_only=True):
    """A condition on an argument: SCMP_CMP_* of ``value``; for SCMP_CMP_MASKED_EQ, ``value`` is the mask."""

    index: int
    value: Uint64
    value_two: Uint64 = 0
    op: str


class LinuxSyscall(Spec, frozen=True, kw_only=True):
    """System calls by name and what becomes of them."""

    names: tuple[str, ...]
    action: str
    errno_ret: int | None = None
    args: tuple[LinuxSeccompArg, ...] = ()


class LinuxSeccomp(Spec, frozen=True, kw_only=True):
    """A filter."""

    default_action: str
    default_errno_ret: int | None = None
    architectures: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    listener_path: str = ""
    listener_metadata: str = ""
    syscalls: tuple[LinuxSyscall, ...] = ()
