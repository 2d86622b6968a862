"""A plan: operations, the descriptors they need, and how the player's child is born."""

from __future__ import annotations

import errno as errno_names
import os
from collections.abc import Iterable
from contextlib import ExitStack

from pyrt import _native
from pyrt.launch import constants as k
from pyrt.launch.encoding import HEADER, MAGIC, MAX_BYTES, MAX_FDS
from pyrt.launch.errors import LaunchError
from pyrt.launch.operations import NO_FD, Block, Exec, FindProgram, Operation
from pyrt.records import dataclass, field

AT_RECURSIVE = 0x8000
OPEN_TREE_CLONE = 1
AT_EMPTY_PATH = 0x1000


@dataclass(frozen=True, slots=True)
class GivenFd:
    """A descriptor the caller has; the caller closes it."""

    fd: int
    name: str = "descriptor"

    def open(self, stack: ExitStack) -> int:
        """The descriptor itself."""
        del stack
        return self.fd

    def describe(self) -> str:
        """For people."""
        return self.name


@dataclass(frozen=True, slots=True)
class OpenPath:
    """A file or directory of the host, opened when the plan is sent."""

    path: str
    flags: int = os.O_PATH

    def open(self, stack: ExitStack) -> int:
        """Open it; the stack closes it."""
        try:
            fd = os.open(self.path, self.flags | os.O_CLOEXEC)
        except OSError as e:
            raise LaunchError(operation=f"open {self.path}", errno=e.errno) from e
        stack.callback(os.close, fd)
        return fd

    def describe(self) -> str:
        """For people."""
        return self.path


@dataclass(frozen=True, slots=True)
class CloneTree:
    """A detached copy of a mount of the host, in its peer group: the source of a mount with Bidirectional propagation.

    It has to be made in the host's mount namespace, by the process that sends the plan.
    """

    path: str
    recursive: bool = True
    subpath: str = ""
    make_subpath: bool = False
    must_be_shared: bool = False
    """Refuse a mount without a peer group: what is mounted below it would reach nobody, and nobody would know."""

    def open(self, stack: ExitStack) -> int:
        """Copy the mount; the stack closes it."""
        flags = OPEN_TREE_CLONE | AT_EMPTY_PATH | (AT_RECURSIVE if self.recursive else 0)
        try:
            source = os.open(self.path, os.O_PATH | os.O_CLOEXEC)
            stack.callback(os.close, source)
            if self.must_be_shared:
                _require_shared(self.path, source)
            if self.subpath:
                source = _native.path_beneath(source, self.subpath, make=self.make_subpath)
                stack.callback(os.close, source)
            fd = _native.open_tree(source, "", flags)
        except OSError as e:
            raise LaunchError(operation=f"open mount {self.path}", errno=e.errno) from e
        stack.callback(os.close, fd)
        return fd

    def describe(self) -> str:
        """For people."""
        return f"mount {self.path}"


def _require_shared(path: str, fd: int) -> None:
    """Raise :class:`LaunchError` unless the mount that ``fd`` is on has a peer group (proc_pid_mountinfo(5))."""
    with open(f"/proc/self/fdinfo/{fd}") as info:
        mount_id = next(line.split()[1] for line in info if line.startswith("mnt_id:"))
    with open("/proc/self/mountinfo") as mounts:
        fields = next((line.split() for line in mounts if line.split(" ", 1)[0] == mount_id), None)
    if fields is not None and not any(word.startswith("shared:") for word in fields[6 : fields.index("-")]):
        raise LaunchError(
            f"path {path} is mounted on {fields[4]} but it is not a shared mount", operation="mountPropagation"
        )


@dataclass(frozen=True, slots=True)
class PodSupplied:
    """An entry that pyrt-pod fills itself: the pidfd of the container to join, or the socket for a terminal's
    master.
    """

    name: str

    def open(self, stack: ExitStack) -> int:
        """Nothing to send: raises, because only pyrt-pod can supply it."""
        del stack
        raise LaunchError(f"{self.name} is supplied by the pod process")

    def describe(self) -> str:
        """For people."""
        return self.name


FdSource = GivenFd | OpenPath | CloneTree | PodSupplied


@dataclass(frozen=True, slots=True)
class Plan:
    """A program for the player."""

    items: tuple[Operation | Block, ...]
    fds: tuple[FdSource, ...] = ()
    """The table of descriptors; operations name its entries by their place."""
    clone_flags: int = 0
    """CLONE_NEW*: the namespaces the child is born with."""
    cgroup_fd: int | None = None
    """The entry that is a cgroup v2 directory the child is born into."""
    pidns_fd: int | None = None
    """The entry that is a PID namespace, or a pidfd, the child is born into."""
    birth_flags: int = 0
    """CLONE_NEW* of the process's second birth, in the plan itself (:class:`pyrt.launch.operations.Birth`)."""
    console_slot: int | None = None
    """The entry pyrt-pod fills with the socket that takes a terminal's master."""
    target_slot: int | None = None
    """The entry pyrt-pod fills with a pidfd of the container to join."""
    warnings: tuple[str, ...] = field(default=(), compare=False)
    """What was asked for and could not be given: capabilities the runtime lacks."""

    @property
    def leads_pid_namespace(self) -> bool:
        """Whether the process is the first of a PID namespace of its own."""
        return bool((self.clone_flags | self.birth_flags) & k.CLONE_NEWPID)

    @property
    def operations(self) -> tuple[Operation, ...]:
        """Every operation in order."""
        flat: list[Operation] = []
        for item in self.items:
            if isinstance(item, Block):
                flat += item.operations
            else:
                flat.append(item)
        return tuple(flat)

    def encode(self) -> bytes:
        """The buffer for plan_decode (native/plan.h)."""
        return self.framed(*encode_items(self.items))

    def framed(self, records: bytes, count: int) -> bytes:
        """The buffer for ``count`` operations that are encoded already, born as this plan's."""
        if len(self.fds) > MAX_FDS:
            raise LaunchError(f"{len(self.fds)} descriptors, and a plan has room for {MAX_FDS}")
        size = HEADER.size + len(records)
        if size > MAX_BYTES:
            raise LaunchError(f"a plan of {size} bytes is larger than {MAX_BYTES}", operation="encode plan")
        cgroup = NO_FD if self.cgroup_fd is None else self.cgroup_fd
        pidns = NO_FD if self.pidns_fd is None else self.pidns_fd
        return HEADER.pack(MAGIC, size, count, len(self.fds), self.clone_flags, cgroup, pidns) + records

    def open_fds(self, stack: ExitStack, **supplied: int) -> list[int]:
        """The table's descriptors in order. What is opened for it is closed by ``stack``.

        ``console`` and ``target`` stand for the entries that are pyrt-pod's to fill, when there is no pod process
        (pyrt-oci, tests); without them such an entry is -1.
        """
        places = {self.console_slot: supplied.get("console", -1), self.target_slot: supplied.get("target", -1)}
        return [
            places[i] if isinstance(source, PodSupplied) else source.open(stack) for i, source in enumerate(self.fds)
        ]

    def describe(self) -> list[str]:
        """One line an operation, in order, after the line that says how the process is born."""
        born = k.names_of(self.clone_flags, k.NAMESPACE_NAMES)
        first = "clone3" + (f" with new {born} namespaces" if born else "")
        if self.pidns_fd is not None:
            first += f" in the PID namespace of {self.fds[self.pidns_fd].describe()}"
        if self.cgroup_fd is not None:
            first += f" into cgroup {self.fds[self.cgroup_fd].describe()}"
        return [first, *(op.describe() for op in self.operations)]

    def failure(self, index: int, errno: int) -> LaunchError:
        """The error that a player's answer (index, errno) means."""
        operations = self.operations
        if index >= len(operations):
            return LaunchError(operation=self.describe()[0], errno=errno, index=index)
        op = operations[index]
        if isinstance(op, (Exec, FindProgram)):
            return _exec_failure(op, errno, index)
        return LaunchError(operation=op.describe(), errno=errno, index=index)


def _exec_failure(op: Exec | FindProgram, errno: int, index: int) -> LaunchError:
    """As containerd and a shell tell it: 127 for a program that is not there, 126 for one that cannot be executed."""
    missing = errno in (errno_names.ENOENT, errno_names.ENOTDIR)
    if missing and "/" not in op.program:
        message = "executable file not found in $PATH"
        return LaunchError(message, operation=f'exec "{op.program}"', index=index, exit_code=127)
    return LaunchError(operation=f'exec "{op.program}"', errno=errno, index=index, exit_code=127 if missing else 126)


def encode_items(parts: Iterable[Operation | Block]) -> tuple[bytes, int]:
    """The records of operations and blocks, and how many operations they are."""
    records = []
    count = 0
    for part in parts:
        if isinstance(part, Block):
            records.append(part.encoded)
            count += len(part.operations)
        else:
            records.append(part.encode())
            count += 1
    return b"".join(records), count


def items(*parts: Operation | Block | Iterable[Operation | Block] | None) -> tuple[Operation | Block, ...]:
    """Operations, blocks and runs of either in one tuple; ``None`` is nothing."""
    flat: list[Operation | Block] = []
    for part in parts:
        if part is None:
            continue
        if isinstance(part, (Operation, Block)):
            flat.append(part)
        else:
            flat += part
    return tuple(flat)
