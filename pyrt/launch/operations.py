"""The operations of a plan: one frozen dataclass each, which can encode itself for the player and describe itself to people.

The fields of a class are the operation's arguments, in the order of ``SIGNATURE``; native/plan_ops.h says what the letters
and the operations mean, and a test compares the two tables. A path after ``at`` is resolved under that descriptor and
cannot leave it, except with ``HOST``.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar

from pyrt.launch import constants as k
from pyrt.launch.encoding import encode_record

HOST = 0xFFFFFFFE
"""Instead of a descriptor: absolute paths from the current root directory."""
NO_FD = 0xFFFFFFFF
"""Instead of a descriptor or slot: none."""
SLOT = 0x10000
"""The player's slot i, which an earlier operation filled, is the descriptor ``SLOT + i``."""

ROOT = SLOT + 0
"""By convention: the container's root directory."""
PROC = SLOT + 1
"""By convention: a procfs that the player mounted itself."""
DEV = SLOT + 2
"""By convention: the container's /dev."""
PTS = SLOT + 3
"""By convention: the container's devpts."""
POD_NETLINK = SLOT + 4
"""By convention: a netlink socket in the pod's network namespace."""
HOST_NETLINK = SLOT + 5
"""By convention: a netlink socket in the host's network namespace."""
HOST_MOUNTS = SLOT + 6
"""By convention: the root directory of the host's mounts."""


def _place(at: int, path: str) -> str:
    return f"host {path}" if at == HOST else path


class Operation:
    """What all operations share. Subclasses are frozen dataclasses."""

    __slots__ = ()
    CODE: ClassVar[int]
    SIGNATURE: ClassVar[str]
    _NAMES: ClassVar[tuple[str, ...]]

    def arguments(self) -> tuple[Any, ...]:
        """The values that travel, in the signature's order."""
        return tuple(getattr(self, name) for name in self._NAMES)

    def encode(self) -> bytes:
        """The record of this operation."""
        return encode_record(self.CODE, self.SIGNATURE, self.arguments())

    def describe(self) -> str:
        """One line for people; the beginning of an error message."""
        raise NotImplementedError


OPERATIONS: dict[int, type[Operation]] = {}
"""Every operation by its code."""


def _operation(cls: Any) -> Any:
    cls._NAMES = tuple(f.name for f in fields(cls) if f.name != "note")
    OPERATIONS[cls.CODE] = cls
    return cls


# Namespaces and cgroups


@_operation
@dataclass(frozen=True, slots=True)
class Unshare(Operation):
    """New namespaces for the process itself (unshare(2))."""

    CODE = 1
    SIGNATURE = "q"
    flags: int

    def describe(self) -> str:
        return f"unshare {k.names_of(self.flags, k.NAMESPACE_NAMES)} namespace"


@_operation
@dataclass(frozen=True, slots=True)
class SetNs(Operation):
    """Join a namespace, or several of one process by its pidfd (setns(2))."""

    CODE = 2
    SIGNATURE = "fq"
    fd: int
    flags: int
    note: str = ""

    def describe(self) -> str:
        return f"join {k.names_of(self.flags, k.NAMESPACE_NAMES)} namespace{' of ' + self.note if self.note else ''}"


@_operation
@dataclass(frozen=True, slots=True)
class JoinCgroup(Operation):
    """Write ``0`` into a ``tasks`` or ``cgroup.procs`` file: the writer moves itself, which waits for nothing."""

    CODE = 3
    SIGNATURE = "fs"
    at: int
    path: str

    def describe(self) -> str:
        return f"join cgroup {self.path.rpartition('/')[0] or self.path}"


@_operation
@dataclass(frozen=True, slots=True)
class Hostname(Operation):
    """sethostname(2)."""

    CODE = 4
    SIGNATURE = "s"
    name: str

    def describe(self) -> str:
        return f"set hostname {self.name}"


@_operation
@dataclass(frozen=True, slots=True)
class Domainname(Operation):
    """setdomainname(2)."""

    CODE = 5
    SIGNATURE = "s"
    name: str

    def describe(self) -> str:
        return f"set domainname {self.name}"


@_operation
@dataclass(frozen=True, slots=True)
class NetlinkOpen(Operation):
    """A NETLINK_ROUTE socket in the network namespace of this moment."""

    CODE = 6
    SIGNATURE = "o"
    slot: int

    def describe(self) -> str:
        return "open netlink socket"


@_operation
@dataclass(frozen=True, slots=True)
class Netlink(Operation):
    """Send messages, each with NLM_F_REQUEST | NLM_F_ACK, and await every acknowledgement."""

    CODE = 7
    SIGNATURE = "fb"
    socket: int
    messages: bytes
    note: str = ""
    """The same as an ip(8) command."""

    def describe(self) -> str:
        return self.note or f"send {len(self.messages)} bytes of netlink messages"


# Files and mounts


@_operation
@dataclass(frozen=True, slots=True)
class Open(Operation):
    """Hold a path by an O_PATH descriptor."""

    CODE = 16
    SIGNATURE = "ofsu"
    slot: int
    at: int
    path: str
    directory: bool = True

    def describe(self) -> str:
        return f"open {_place(self.at, self.path)}"


@_operation
@dataclass(frozen=True, slots=True)
class Propagation(Operation):
    """mount_namespaces(7): how mount events travel to and from a mount."""

    CODE = 17
    SIGNATURE = "fsuu"
    at: int
    path: str
    propagation: int
    recursive: bool = True

    def describe(self) -> str:
        kind = ("r" if self.recursive else "") + k.names_of(self.propagation, k.PROPAGATION_NAMES)
        return f"make {_place(self.at, self.path)} {kind}"


@_operation
@dataclass(frozen=True, slots=True)
class MountNew(Operation):
    """A new file system, attached at ``target``, or left detached if that is empty; its mount stays in ``slot``."""

    CODE = 18
    SIGNATURE = "ossvqfsu"
    slot: int
    fstype: str
    source: str
    options: tuple[str, ...]
    attributes: int
    at: int
    target: str
    mkdir: int = 0
    """The mode of a missing target that is to be made; 0: it must be there."""
    note: str = ""

    def describe(self) -> str:
        words = [*k.names_of(self.attributes, k.ATTRIBUTE_NAMES).split(", "), *self.options]
        shown = ", ".join(word for word in words if word)
        where = f"on {_place(self.at, self.note or self.target)}" if self.target else "privately"
        return f"mount {self.fstype} {where}" + (f" ({shown})" if shown else "")


@_operation
@dataclass(frozen=True, slots=True)
class MountOld(Operation):
    """mount(2) from a working directory, for data that fsconfig's 255 bytes cannot hold. The root stays in ``slot``."""

    CODE = 19
    SIGNATURE = "osssqsfs"
    slot: int
    fstype: str
    source: str
    data: str
    flags: int
    directory: str
    at: int
    target: str
    note: str = ""

    def describe(self) -> str:
        base = f", relative to {self.directory}" if self.directory else ""
        return f"mount {self.fstype} on {self.note or self.target} ({self.data}{base})"


@_operation
@dataclass(frozen=True, slots=True)
class Bind(Operation):
    """Attach a copy of what is mounted at a path, or a detached tree, somewhere else."""

    CODE = 20
    SIGNATURE = "fssfsuqqu"
    source_at: int
    source: str
    subpath: str
    at: int
    target: str
    flags: int
    set: int = 0
    clear: int = 0
    propagation: int = 0
    note: str = ""
    """``emptyDir cache``: for people."""

    def describe(self) -> str:
        kind = "rbind" if self.flags & k.BIND_RECURSIVE else "bind"
        recursive = "r" if self.flags & k.BIND_RECURSIVE_ATTR else ""
        words = [kind]
        words += [recursive + n for n in k.names_of(self.set, k.ATTRIBUTE_NAMES).split(", ") if n]
        if self.propagation:
            rec = "r" if self.flags & k.BIND_RECURSIVE else ""
            words.append(rec + k.names_of(self.propagation, k.PROPAGATION_NAMES))
        source = self.source + (f" subpath {self.subpath}" if self.subpath else "")
        named = f"{self.note} ({source})" if self.note and source else self.note or source
        return f"mount {named} on {_place(self.at, self.target)} ({', '.join(words)})"


@_operation
@dataclass(frozen=True, slots=True)
class SetAttributes(Operation):
    """Change the attributes of the mount at a path."""

    CODE = 21
    SIGNATURE = "fsqqu"
    at: int
    path: str
    set: int
    clear: int = 0
    recursive: bool = False

    def describe(self) -> str:
        return f"remount {_place(self.at, self.path)} {k.names_of(self.set, k.ATTRIBUTE_NAMES)}"


@_operation
@dataclass(frozen=True, slots=True)
class Pivot(Operation):
    """Make a mount the root and let the old root go (pivot_root(2))."""

    CODE = 22
    SIGNATURE = "f"
    root: int

    def describe(self) -> str:
        return "pivot root"


@_operation
@dataclass(frozen=True, slots=True)
class MakeDirectory(Operation):
    """A directory and its missing parents."""

    CODE = 23
    SIGNATURE = "fsu"
    at: int
    path: str
    mode: int = 0o755

    def describe(self) -> str:
        return f"mkdir {_place(self.at, self.path)} mode {self.mode:04o}"


@_operation
@dataclass(frozen=True, slots=True)
class MakeNode(Operation):
    """A device node or FIFO; one that is there already and is the same device will do."""

    CODE = 24
    SIGNATURE = "fsuuuuu"
    at: int
    path: str
    mode: int
    major: int
    minor: int
    uid: int = 0
    gid: int = 0
    note: str = ""

    def describe(self) -> str:
        kind = {k.S_IFCHR: "c", k.S_IFBLK: "b"}.get(self.mode & 0o170000, "p")
        owner = f" owner {self.uid}:{self.gid}" if self.uid or self.gid else ""
        return f"mknod {self.note or self.path} {kind} {self.major}:{self.minor} mode {self.mode & 0o7777:04o}{owner}"


@_operation
@dataclass(frozen=True, slots=True)
class SymbolicLink(Operation):
    """A symbolic link; whatever is already there is left alone."""

    CODE = 25
    SIGNATURE = "fss"
    at: int
    path: str
    target: str
    note: str = ""

    def describe(self) -> str:
        return f"symlink {self.note or self.path} -> {self.target}"


@_operation
@dataclass(frozen=True, slots=True)
class Mask(Operation):
    """Hide a path if it exists: a directory under an empty read-only tmpfs, a file under /dev/null."""

    CODE = 26
    SIGNATURE = "fs"
    at: int
    path: str

    def describe(self) -> str:
        return f"mask {_place(self.at, self.path)}"


@_operation
@dataclass(frozen=True, slots=True)
class MakeReadonly(Operation):
    """Bind a path onto itself read-only, if it exists."""

    CODE = 27
    SIGNATURE = "fs"
    at: int
    path: str

    def describe(self) -> str:
        return f"make {_place(self.at, self.path)} read-only"


@_operation
@dataclass(frozen=True, slots=True)
class ProcWrite(Operation):
    """Write a file of a procfs that the player mounted itself."""

    CODE = 28
    SIGNATURE = "fsbu"
    proc: int
    path: str
    data: bytes
    flags: int = 0
    note: str = ""

    def describe(self) -> str:
        return self.note or f"write {self.data.decode(errors='replace')} to /proc/{self.path}"


@_operation
@dataclass(frozen=True, slots=True)
class OomScoreAdj(Operation):
    """-1000 to 1000; what was inherited is kept where CAP_SYS_RESOURCE would be needed to go below it."""

    CODE = 29
    SIGNATURE = "fu"
    proc: int
    value: int

    def describe(self) -> str:
        return f"set oom_score_adj {self.value}"


# The terminal and the standard streams


@_operation
@dataclass(frozen=True, slots=True)
class SetSid(Operation):
    """setsid(2)."""

    CODE = 40
    SIGNATURE = ""

    def describe(self) -> str:
        return "start session"


@_operation
@dataclass(frozen=True, slots=True)
class Terminal(Operation):
    """A new terminal of the container's devpts: its master goes to ``socket``, it becomes 0, 1, 2 and controls the session."""

    CODE = 41
    SIGNATURE = "ffsfsuu"
    socket: int
    at: int
    ptmx: str
    root: int
    console: str
    rows: int = 0
    columns: int = 0

    def describe(self) -> str:
        return "open terminal" + (f", mounted on {self.console}" if self.console else "")


@_operation
@dataclass(frozen=True, slots=True)
class StdioOwner(Operation):
    """Give the standard streams to a user, so that it can open /dev/stdout again."""

    CODE = 42
    SIGNATURE = "u"
    uid: int

    def describe(self) -> str:
        return f"give standard streams to uid {self.uid}"


# The process


@_operation
@dataclass(frozen=True, slots=True)
class Umask(Operation):
    """umask(2)."""

    CODE = 50
    SIGNATURE = "u"
    mask: int

    def describe(self) -> str:
        return f"set umask {self.mask:04o}"


@_operation
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


@_operation
@dataclass(frozen=True, slots=True)
class Personality(Operation):
    """personality(2)."""

    CODE = 52
    SIGNATURE = "q"
    persona: int

    def describe(self) -> str:
        return f"set personality {self.persona:#x}"


@_operation
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


@_operation
@dataclass(frozen=True, slots=True)
class IoPriority(Operation):
    """ioprio_set(2): class << 13 | priority."""

    CODE = 54
    SIGNATURE = "u"
    value: int

    def describe(self) -> str:
        return f"set I/O priority class {self.value >> 13} level {self.value & 0x1FFF}"


@_operation
@dataclass(frozen=True, slots=True)
class Dumpable(Operation):
    """PR_SET_DUMPABLE: with 0 nobody in the container may trace or inspect the process before it has executed."""

    CODE = 55
    SIGNATURE = "u"
    value: int

    def describe(self) -> str:
        return "forbid tracing" if not self.value else "allow tracing"


@_operation
@dataclass(frozen=True, slots=True)
class ParentDeathSignal(Operation):
    """PR_SET_PDEATHSIG."""

    CODE = 56
    SIGNATURE = "u"
    signal: int

    def describe(self) -> str:
        return f"die by signal {self.signal} with the parent"


@_operation
@dataclass(frozen=True, slots=True)
class ChangeDirectory(Operation):
    """chdir(2), and a check that the result lies inside the root."""

    CODE = 57
    SIGNATURE = "s"
    path: str

    def describe(self) -> str:
        return f"change to working directory {self.path}"


@_operation
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


@_operation
@dataclass(frozen=True, slots=True)
class Bounding(Operation):
    """Drop every capability that is not in the set from the bounding set."""

    CODE = 59
    SIGNATURE = "q"
    keep: int

    def describe(self) -> str:
        return f"bounding capabilities: {_capabilities(self.keep)}"


@_operation
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


@_operation
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


@_operation
@dataclass(frozen=True, slots=True)
class Ambient(Operation):
    """PR_CAP_AMBIENT_RAISE."""

    CODE = 62
    SIGNATURE = "q"
    raised: int

    def describe(self) -> str:
        return f"ambient capabilities: {_capabilities(self.raised)}"


@_operation
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


@_operation
@dataclass(frozen=True, slots=True)
class Wait(Operation):
    """Report to the parent, then wait for its byte."""

    CODE = 64
    SIGNATURE = ""

    def describe(self) -> str:
        return "wait for start"


@_operation
@dataclass(frozen=True, slots=True)
class Exec(Operation):
    """execve(2); a program without a slash is searched in the PATH of its own environment."""

    CODE = 65
    SIGNATURE = "svvu"
    program: str
    arguments_: tuple[str, ...]
    environment: tuple[str, ...]
    keep_fds: int = 0
    """Descriptors from 3 on that the program inherits."""

    def describe(self) -> str:
        from shlex import join

        return f"exec {join(self.arguments_)}"


@dataclass(frozen=True, slots=True)
class Block:
    """A run of operations that never changes, encoded once."""

    operations: tuple[Operation, ...]
    encoded: bytes

    @staticmethod
    def of(*operations: Operation) -> Block:
        """Encode the operations."""
        return Block(operations, b"".join([op.encode() for op in operations]))
