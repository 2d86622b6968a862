"""Operations on namespaces, cgroups and the network."""

from __future__ import annotations

from pyrt.launch import constants as k
from pyrt.launch.operations.base import Operation, operation
from pyrt.records import dataclass


@operation
@dataclass(frozen=True, slots=True)
class Unshare(Operation):
    """New namespaces for the process itself (unshare(2))."""

    CODE = 1
    SIGNATURE = "q"
    flags: int

    def describe(self) -> str:
        return f"unshare {k.names_of(self.flags, k.NAMESPACE_NAMES)} namespace"


@operation
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


@operation
@dataclass(frozen=True, slots=True)
class JoinCgroup(Operation):
    """Write ``0`` into a ``tasks`` or ``cgroup.procs`` file: the writer moves itself, which waits for nothing."""

    CODE = 3
    SIGNATURE = "fs"
    at: int
    path: str

    def describe(self) -> str:
        return f"join cgroup {self.path.rpartition('/')[0] or self.path}"


@operation
@dataclass(frozen=True, slots=True)
class Hostname(Operation):
    """sethostname(2)."""

    CODE = 4
    SIGNATURE = "s"
    name: str

    def describe(self) -> str:
        return f"set hostname {self.name}"


@operation
@dataclass(frozen=True, slots=True)
class Domainname(Operation):
    """setdomainname(2)."""

    CODE = 5
    SIGNATURE = "s"
    name: str

    def describe(self) -> str:
        return f"set domainname {self.name}"


@operation
@dataclass(frozen=True, slots=True)
class NetlinkOpen(Operation):
    """A NETLINK_ROUTE socket in the network namespace of this moment."""

    CODE = 6
    SIGNATURE = "o"
    slot: int

    def describe(self) -> str:
        return "open netlink socket"


@operation
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


@operation
@dataclass(frozen=True, slots=True)
class NewUserNamespace(Operation):
    """A user namespace that owns these new namespaces; the player joins them, and stays out of the user namespace."""

    CODE = 8
    SIGNATURE = "qss"
    SINCE = 2
    flags: int
    uid_map: str
    """Lines of user_namespaces(7): id inside, id outside, number of ids."""
    gid_map: str

    def describe(self) -> str:
        owned = f" owning new {k.names_of(self.flags, k.NAMESPACE_NAMES)} namespaces" if self.flags else ""
        return f"make a user namespace with ids {self.uid_map.strip()}{owned}"


@operation
@dataclass(frozen=True, slots=True)
class UserNamespaceOfNetwork(Operation):
    """The user namespace that owns the network namespace of this moment."""

    CODE = 9
    SIGNATURE = "o"
    SINCE = 2
    slot: int

    def describe(self) -> str:
        return "find the pod's user namespace"


@operation
@dataclass(frozen=True, slots=True)
class TimeNamespace(Operation):
    """A new time namespace whose clocks have these offsets, and into it (time_namespaces(7))."""

    CODE = 72
    SIGNATURE = "fb"
    SINCE = 3
    proc: int
    offsets: bytes
    """Lines of ``clock seconds nanoseconds``; empty: none."""

    def describe(self) -> str:
        lines = ", ".join(self.offsets.decode().splitlines())
        return f"unshare time namespace{' with ' + lines if lines else ''}"


@operation
@dataclass(frozen=True, slots=True)
class OwnUserNamespace(Operation):
    """A new user namespace with these maps, in a slot; the player stays outside until it joins."""

    CODE = 73
    SIGNATURE = "oss"
    SINCE = 3
    slot: int
    uid_map: str
    gid_map: str

    def describe(self) -> str:
        return f"make user namespace with uids {'; '.join(self.uid_map.splitlines())}"
