"""Seccomp profiles -> BPF, by libseccomp; compiled once a profile and kept.

libseccomp knows the system calls of its own time. Newer ones are answered by a few instructions in front of its
program: allowed if the profile allows them by name, else ENOSYS when the profile is an allow-list, as the kernel
itself would answer if it were as old as the library (so that C libraries fall back; runc does the same).
"""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import struct

from pyrt.launch.errors import LaunchError
from pyrt.launch.seccomp_compact import compact
from pyrt.records import TYPE_CHECKING, dataclass
from pyrt.spec import LinuxSeccomp, LinuxSyscall, SpecError, decode_as, encode

if TYPE_CHECKING:
    from typing import Any

_ARCHES = {
    "SCMP_ARCH_X86": "X86", "SCMP_ARCH_X86_64": "X86_64", "SCMP_ARCH_X32": "X32", "SCMP_ARCH_ARM": "ARM",
    "SCMP_ARCH_AARCH64": "AARCH64", "SCMP_ARCH_MIPS": "MIPS", "SCMP_ARCH_MIPS64": "MIPS64",
    "SCMP_ARCH_MIPS64N32": "MIPS64N32", "SCMP_ARCH_MIPSEL": "MIPSEL", "SCMP_ARCH_MIPSEL64": "MIPSEL64",
    "SCMP_ARCH_MIPSEL64N32": "MIPSEL64N32", "SCMP_ARCH_PPC": "PPC", "SCMP_ARCH_PPC64": "PPC64",
    "SCMP_ARCH_PPC64LE": "PPC64LE", "SCMP_ARCH_S390": "S390", "SCMP_ARCH_S390X": "S390X",
    "SCMP_ARCH_RISCV64": "RISCV64",
}  # fmt: skip

# seccomp(2), linux/seccomp.h: what a filter returns.
_KILL_PROCESS, _KILL_THREAD, _TRAP, _ERRNO, _TRACE, _LOG, _ALLOW = (
    0x80000000, 0x00000000, 0x00030000, 0x00050000, 0x7FF00000, 0x7FFC0000, 0x7FFF0000,
)  # fmt: skip
_ACTIONS = {
    "SCMP_ACT_KILL": _KILL_THREAD,
    "SCMP_ACT_KILL_THREAD": _KILL_THREAD,
    "SCMP_ACT_KILL_PROCESS": _KILL_PROCESS,
    "SCMP_ACT_TRAP": _TRAP,
    "SCMP_ACT_ERRNO": _ERRNO,
    "SCMP_ACT_TRACE": _TRACE,
    "SCMP_ACT_LOG": _LOG,
    "SCMP_ACT_ALLOW": _ALLOW,
}
_WITH_DATA = (_ERRNO, _TRACE)
_EPERM, _ENOSYS = 1, 38

_OPERATORS = {
    "SCMP_CMP_NE": "NE", "SCMP_CMP_LT": "LT", "SCMP_CMP_LE": "LE", "SCMP_CMP_EQ": "EQ", "SCMP_CMP_GE": "GE",
    "SCMP_CMP_GT": "GT", "SCMP_CMP_MASKED_EQ": "MASKED_EQ",
}  # fmt: skip

_FLAGS = {
    "SECCOMP_FILTER_FLAG_TSYNC": 1,
    "SECCOMP_FILTER_FLAG_LOG": 2,
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW": 4,
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV": 0,  # only means something with a listener
}

# Calls that have the same number on every architecture (since Linux 5.1) and that an installed libseccomp may not know.
_RECENT = {
    name: number
    for number, name in enumerate(
        """pidfd_send_signal io_uring_setup io_uring_enter io_uring_register open_tree move_mount fsopen fsconfig
        fsmount fspick pidfd_open clone3 close_range openat2 pidfd_getfd faccessat2 process_madvise epoll_pwait2
        mount_setattr quotactl_fd landlock_create_ruleset landlock_add_rule landlock_restrict_self memfd_secret
        process_mrelease futex_waitv set_mempolicy_home_node cachestat fchmodat2 map_shadow_stack futex_wake
        futex_wait futex_requeue statmount listmount lsm_get_self_attr lsm_set_self_attr lsm_list_modules mseal
        setxattrat getxattrat listxattrat removexattrat open_tree_attr file_getattr file_setattr""".split(),
        start=424,
    )
}

_AUDIT_ARCH = {
    "x86_64": 0xC000003E,
    "aarch64": 0xC00000B7,
    "riscv64": 0xC00000F3,
    "s390x": 0x80000016,
    "ppc64le": 0xC0000015,
}
_X32_BIT = 0x40000000

_INSTRUCTION = struct.Struct("=HBBI")  # struct sock_filter
_LD_W_ABS, _JEQ, _JGE, _RET, _JA = 0x20, 0x15, 0x35, 0x06, 0x05
_NR_OFFSET, _ARCH_OFFSET = 0, 4  # struct seccomp_data


@dataclass(frozen=True, slots=True)
class Filter:
    """A compiled profile."""

    instructions: bytes
    flags: int
    name: str = ""


@functools.lru_cache(maxsize=64)
def _compile(encoded: bytes) -> Filter:
    return _build(decode_as(encoded, LinuxSeccomp))


_by_identity: dict[int, tuple[LinuxSeccomp, Filter]] = {}
_BY_IDENTITY_MAX = 64


def compile_filter(profile: LinuxSeccomp) -> Filter:
    """The BPF of a profile. Remembered by the profile's content, and for speed by the object itself.

    Raises :class:`LaunchError` for an unknown action, operator, architecture or flag. Unknown system calls are
    passed over, as the peers do: profiles name calls of all architectures and kernels.
    """
    known = _by_identity.get(id(profile))
    if known is not None and known[0] is profile:
        return known[1]
    compiled = _compile(encode(profile))
    if len(_by_identity) >= _BY_IDENTITY_MAX:
        _by_identity.clear()
    _by_identity[id(profile)] = (profile, compiled)
    return compiled


def load_profile(path: str) -> LinuxSeccomp:
    """A profile from a file: OCI's ``linux.seccomp`` as JSON (also what Docker and Kubernetes call a seccomp profile).

    Raises :class:`LaunchError`.
    """
    try:
        with open(path, "rb") as f:
            data = f.read(4 << 20)
        return decode_as(data, LinuxSeccomp)
    except OSError as e:
        raise LaunchError(operation=f"seccomp profile {path}", errno=e.errno) from e
    except SpecError as e:
        raise LaunchError(str(e), operation=f"seccomp profile {path}") from e


def known_actions() -> list[str]:
    """Names of actions."""
    return list(_ACTIONS)


def known_operators() -> list[str]:
    """Names of comparisons."""
    return list(_OPERATORS)


def known_architectures() -> list[str]:
    """Names of architectures."""
    return list(_ARCHES)


def known_flags() -> list[str]:
    """Names of the filter's flags."""
    return list(_FLAGS)


def _action(name: str, errno_ret: int | None) -> int:
    if name not in _ACTIONS:
        raise LaunchError(f"action {name} is not supported", operation="linux.seccomp")
    code = _ACTIONS[name]
    if code not in _WITH_DATA:
        return code
    return code | ((_EPERM if errno_ret is None else errno_ret) & 0xFFFF)


def _build(profile: LinuxSeccomp) -> Filter:
    import pyseccomp

    if profile.listener_path:
        raise LaunchError("notification listeners are not supported", operation="linux.seccomp.listenerPath")
    flags = 0
    for flag in profile.flags:
        if flag not in _FLAGS:
            raise LaunchError(f"unknown flag {flag}", operation="linux.seccomp")
        flags |= _FLAGS[flag]
    default = _action(profile.default_action, profile.default_errno_ret)
    recent: dict[int, int] = {}
    try:
        program = pyseccomp.SyscallFilter(defaction=default)
        program.set_attr(pyseccomp.Attr.CTL_NNP, 0)
        # A binary tree: the kernel walks the filter once for every call number when it is loaded
        # (seccomp_cache_prepare), and again for each call that is not plainly allowed.
        with contextlib.suppress(OSError):  # libseccomp before 2.5
            program.set_attr(pyseccomp.Attr.CTL_OPTIMIZE, 2)
        _add_architectures(pyseccomp, program, profile.architectures)
        for rule in profile.syscalls:
            action = _action(rule.action, rule.errno_ret)
            if action != default:
                _add_rule(pyseccomp, program, rule, action, recent)
        instructions = _export(program)
    except OSError as e:
        raise LaunchError("libseccomp cannot compile the profile", operation="linux.seccomp", errno=e.errno) from e
    unknown = [number for name, number in _RECENT.items() if not _known(pyseccomp, name)]
    return Filter(compact(_answer_recent(unknown, recent, default) + instructions), flags)


_NR_ERROR = -1  # __NR_SCMP_ERROR; other negative numbers stand for calls that this architecture has not


def _known(pyseccomp: Any, name: str) -> bool:
    return bool(pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name) != _NR_ERROR)


def _add_architectures(pyseccomp: Any, program: Any, names: tuple[str, ...]) -> None:
    for name in names:
        if name not in _ARCHES:
            raise LaunchError(f"unknown architecture {name}", operation="linux.seccomp")
        arch = getattr(pyseccomp.Arch, _ARCHES[name], None)
        if arch is None:
            continue
        try:
            program.add_arch(arch)
        except OSError as e:
            if e.errno != 17:  # EEXIST: the native one is there from the start
                raise


def _add_rule(pyseccomp: Any, program: Any, rule: LinuxSyscall, action: int, recent: dict[int, int]) -> None:
    conditions = []
    for arg in rule.args:
        if arg.op not in _OPERATORS:
            raise LaunchError(f"unknown operator {arg.op}", operation="linux.seccomp")
        op = getattr(pyseccomp, _OPERATORS[arg.op])
        # Of MASKED_EQ the first value is the mask, the second what is compared (seccomp_rule_add(3)).
        conditions.append(pyseccomp.Arg(arg.index, op, arg.value, arg.value_two))
    # More than one condition on one argument cannot be in one rule; the conditions are then alternatives, as runc
    # reads them.
    several = len({arg.index for arg in rule.args}) != len(rule.args)
    for name in rule.names:
        if not _known(pyseccomp, name):
            if name in _RECENT and not conditions:
                recent.setdefault(_RECENT[name], action)
            continue
        try:
            if several:
                for condition in conditions:
                    program.add_rule(action, name, condition)
            else:
                program.add_rule(action, name, *conditions)
        except OSError as e:
            # EEXIST: the same again. EDOM, EFAULT: not a call of this architecture.
            if e.errno not in (17, 33, 14):
                raise


def _export(program: Any) -> bytes:
    fd = os.memfd_create("seccomp", os.MFD_CLOEXEC)
    with os.fdopen(fd, "r+b") as f:
        program.export_bpf(f)
        f.seek(0)
        return f.read()


def _answer_recent(unknown: list[int], actions: dict[int, int], default: int) -> bytes:
    """Instructions that answer the calls libseccomp does not know, and let everything else through to its program."""
    arch = _AUDIT_ARCH.get(platform.machine())
    allow_list = default & 0xFFFF0000 in (_ERRNO, _KILL_PROCESS, _KILL_THREAD, _TRAP)
    if arch is None or not unknown or (not allow_list and not actions):
        return b""
    pack = _INSTRUCTION.pack
    # Calls named by the profile, then the rest: ENOSYS, or what the profile says of everything.
    rest = _ERRNO | _ENOSYS if allow_list else default
    answers = [pack(_JEQ, 0, 1, number) + pack(_RET, 0, 0, action) for number, action in sorted(actions.items())]
    body = b"".join([*answers, pack(_RET, 0, 0, rest)])
    count = len(body) // _INSTRUCTION.size
    first = min(unknown)
    return b"".join(
        [
            pack(_LD_W_ABS, 0, 0, _ARCH_OFFSET),
            pack(_JEQ, 1, 0, arch),
            pack(_JA, 0, 0, count + 5),
            pack(_LD_W_ABS, 0, 0, _NR_OFFSET),
            pack(_JGE, 0, 1, _X32_BIT),  # x32 numbers: to libseccomp's program
            pack(_JA, 0, 0, count + 2),
            # The jump over all answers may be further than the 255 instructions a comparison reaches.
            pack(_JGE, 1, 0, first),
            pack(_JA, 0, 0, count),
            body,
        ]
    )
