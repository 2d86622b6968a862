"""Operations on the process itself, the last of which is exec."""

from __future__ import annotations

from pyrt.launch import constants as k
from pyrt.launch.operations.base import Operation, operation
from pyrt.records import TYPE_CHECKING, dataclass

if TYPE_CHECKING:
    from typing import Any


@operation
@dataclass(frozen=True, slots=True)
class Umask(Operation):
    """umask(2)."""

    CODE = 50
    SIGNATURE = "u"
    mask: int

    def describe(self) -> str:
        return f"set umask {self.mask:04o}"


@operation
@dataclass(frozen=True, slots=True)
class Rlimit(Operation):
    """setrlimit(2)."""

    CODE = 51
    SIGNATURE = "uqq"
    resource: int
    soft: int
    hard: int

    def describe(self) -> str:
        name = next(name for name, number in k.RLIMITS.items() if number == self.resource)
        return f"set RLIMIT_{name} soft {self.soft} hard {self.hard}"


@operation
@dataclass(frozen=True, slots=True)
class Personality(Operation):
    """personality(2)."""

    CODE = 52
    SIGNATURE = "q"
    persona: int

    def describe(self) -> str:
        return f"set personality {self.persona:#x}"


@operation
@dataclass(frozen=True, slots=True)
class Scheduler(Operation):
    """sched_setattr(2)."""

    CODE = 53
    SIGNATURE = "uuuuqqq"
    policy: int
    nice: int
    priority: int
    flags: int
    runtime: int
    deadline: int
    period: int

    def describe(self) -> str:
        return f"set scheduler policy {self.policy} nice {self.nice} priority {self.priority}"


@operation
@dataclass(frozen=True, slots=True)
class IoPriority(Operation):
    """ioprio_set(2): class << 13 | priority."""

    CODE = 54
    SIGNATURE = "u"
    value: int

    def describe(self) -> str:
        return f"set I/O priority class {self.value >> 13} level {self.value & 0x1FFF}"


@operation
@dataclass(frozen=True, slots=True)
class Dumpable(Operation):
    """PR_SET_DUMPABLE: with 0 nobody in the container may trace or inspect the process before it has executed."""

    CODE = 55
    SIGNATURE = "u"
    value: int

    def describe(self) -> str:
        return "forbid tracing" if not self.value else "allow tracing"


@operation
@dataclass(frozen=True, slots=True)
class ParentDeathSignal(Operation):
    """PR_SET_PDEATHSIG."""

    CODE = 56
    SIGNATURE = "u"
    signal: int

    def describe(self) -> str:
        return f"die by signal {self.signal} with the parent"


@operation
@dataclass(frozen=True, slots=True)
class ChangeDirectory(Operation):
    """chdir(2), and a check that the result lies inside the root."""

    CODE = 57
    SIGNATURE = "s"
    path: str

    def describe(self) -> str:
        return f"change to working directory {self.path}"


@operation
@dataclass(frozen=True, slots=True)
class SessionKeyring(Operation):
    """keyctl(2), KEYCTL_JOIN_SESSION_KEYRING: a new one, which nobody else can join."""

    CODE = 67
    SIGNATURE = ""

    def describe(self) -> str:
        return "start session keyring"


@operation
@dataclass(frozen=True, slots=True)
class NoNewPrivileges(Operation):
    """PR_SET_NO_NEW_PRIVS."""

    CODE = 58
    SIGNATURE = ""

    def describe(self) -> str:
        return "set no_new_privs"


def _capabilities(mask: int) -> str:
    from pyrt.launch.capabilities import names

    return " ".join(names(mask)) or "none"


@operation
@dataclass(frozen=True, slots=True)
class Bounding(Operation):
    """Drop every capability that is not in the set from the bounding set."""

    CODE = 59
    SIGNATURE = "q"
    keep: int

    def describe(self) -> str:
        return f"bounding capabilities: {_capabilities(self.keep)}"


@operation
@dataclass(frozen=True, slots=True)
class User(Operation):
    """uid, gid and additional groups; permitted capabilities are kept until Capabilities."""

    CODE = 60
    SIGNATURE = "uub"
    uid: int
    gid: int
    groups: tuple[int, ...] = ()

    def arguments(self) -> tuple[Any, ...]:
        return (self.uid, self.gid, b"".join(g.to_bytes(4, "little") for g in self.groups))

    def describe(self) -> str:
        groups = f" groups {','.join(map(str, self.groups))}" if self.groups else ""
        return f"become uid {self.uid} gid {self.gid}{groups}"


@operation
@dataclass(frozen=True, slots=True)
class Capabilities(Operation):
    """capset(2)."""

    CODE = 61
    SIGNATURE = "qqq"
    effective: int
    permitted: int
    inheritable: int

    def describe(self) -> str:
        same = self.effective == self.permitted
        text = f"capabilities: {_capabilities(self.permitted)}"
        if not same:
            text += f"; effective: {_capabilities(self.effective)}"
        return text + (f"; inheritable: {_capabilities(self.inheritable)}" if self.inheritable else "")


@operation
@dataclass(frozen=True, slots=True)
class Ambient(Operation):
    """PR_CAP_AMBIENT_RAISE."""

    CODE = 62
    SIGNATURE = "q"
    raised: int

    def describe(self) -> str:
        return f"ambient capabilities: {_capabilities(self.raised)}"


@operation
@dataclass(frozen=True, slots=True)
class Seccomp(Operation):
    """SECCOMP_SET_MODE_FILTER."""

    CODE = 63
    SIGNATURE = "ub"
    flags: int
    program: bytes
    note: str = ""

    def describe(self) -> str:
        return f"load seccomp filter{' ' + self.note if self.note else ''} ({len(self.program) // 8} instructions)"


@operation
@dataclass(frozen=True, slots=True)
class Wait(Operation):
    """Report to the parent, then wait for its byte."""

    CODE = 64
    SIGNATURE = ""

    def describe(self) -> str:
        return "wait for start"


@operation
@dataclass(frozen=True, slots=True)
class Exec(Operation):
    """execve(2); a program without a slash is searched in the PATH of its own environment."""

    CODE = 65
    SIGNATURE = "svv"
    program: str
    arguments_: tuple[str, ...]
    environment: tuple[str, ...]

    def describe(self) -> str:
        from shlex import join

        return f"exec {join(self.arguments_)}"


@operation
@dataclass(frozen=True, slots=True)
class CloseOnExec(Operation):
    """Mark every descriptor from 3 on, except the first ``keep``, to be closed by execve."""

    CODE = 66
    SIGNATURE = "u"
    keep: int = 0

    def describe(self) -> str:
        return "close other descriptors"


@operation
@dataclass(frozen=True, slots=True)
class EffectiveIds(Operation):
    """Whom the player is taken for, and who owns what it makes, from here on; its capabilities stay."""

    CODE = 68
    SIGNATURE = "uu"
    SINCE = 2
    uid: int
    gid: int

    def describe(self) -> str:
        return f"act as {self.uid}:{self.gid}"


@operation
@dataclass(frozen=True, slots=True)
class CloseDescriptors(Operation):
    """Close the table of descriptors and every slot."""

    CODE = 69
    SIGNATURE = ""
    SINCE = 2

    def describe(self) -> str:
        return "close every descriptor but 0, 1, 2"


@operation
@dataclass(frozen=True, slots=True)
class Birth(Operation):
    """Go on in a new process, in the PID namespace that children are born into (clone(2), CLONE_PARENT)."""

    CODE = 70
    SIGNATURE = "q"
    SINCE = 2
    flags: int = 0

    def describe(self) -> str:
        new = f" with a new {k.names_of(self.flags, k.NAMESPACE_NAMES)} namespace" if self.flags else ""
        return f"be born anew{new}"


@operation
@dataclass(frozen=True, slots=True)
class Gate(Operation):
    """As :class:`Wait`; then wait for whoever connects to a socket and sends a byte, and report to them from there on.

    Between the two nobody needs to be there: that is how an OCI container waits to be started.
    """

    CODE = 71
    SIGNATURE = "f"
    SINCE = 3
    socket: int

    def describe(self) -> str:
        return "wait to be started"


@operation
@dataclass(frozen=True, slots=True)
class SeccompNotify(Operation):
    """As :class:`Seccomp`; the listener's descriptor goes to the parent (seccomp_unotify(2))."""

    CODE = 75
    SIGNATURE = "ub"
    SINCE = 3
    flags: int
    program: bytes

    def describe(self) -> str:
        return f"load seccomp filter of {len(self.program) // 8} instructions with a listener"


@operation
@dataclass(frozen=True, slots=True)
class FindProgram(Operation):
    """Look for what :class:`Exec` will execute, so that creating an OCI container fails where it cannot be started."""

    CODE = 76
    SIGNATURE = "sv"
    SINCE = 3
    program: str
    environment: tuple[str, ...]

    def describe(self) -> str:
        return f"find {self.program}"
