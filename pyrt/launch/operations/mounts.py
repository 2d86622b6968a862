"""Operations on mounts and files."""

from __future__ import annotations

from pyrt.launch import constants as k
from pyrt.launch.operations.base import Operation, operation
from pyrt.records import dataclass


@operation
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
        return f"open {self.path}"


@operation
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
        return f"make {self.path} {kind}"


@operation
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
        where = f"on {self.note or self.target}" if self.target else "privately"
        return f"mount {self.fstype} {where}" + (f" ({shown})" if shown else "")


@operation
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


@operation
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
        return f"mount {named} on {self.target} ({', '.join(words)})"


@operation
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
        return f"remount {self.path} {k.names_of(self.set, k.ATTRIBUTE_NAMES)}"


@operation
@dataclass(frozen=True, slots=True)
class Pivot(Operation):
    """Make a mount the root and let the old root go (pivot_root(2))."""

    CODE = 22
    SIGNATURE = "f"
    root: int

    def describe(self) -> str:
        return "pivot root"


@operation
@dataclass(frozen=True, slots=True)
class MakeDirectory(Operation):
    """A directory and its missing parents."""

    CODE = 23
    SIGNATURE = "fsu"
    at: int
    path: str
    mode: int = 0o755

    def describe(self) -> str:
        return f"mkdir {self.path} mode {self.mode:04o}"


@operation
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


@operation
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


@operation
@dataclass(frozen=True, slots=True)
class Mask(Operation):
    """Hide a path if it exists: a directory under an empty read-only tmpfs, a file under /dev/null."""

    CODE = 26
    SIGNATURE = "fs"
    at: int
    path: str

    def describe(self) -> str:
        return f"mask {self.path}"


@operation
@dataclass(frozen=True, slots=True)
class MakeReadonly(Operation):
    """Bind a path onto itself read-only, if it exists."""

    CODE = 27
    SIGNATURE = "fs"
    at: int
    path: str

    def describe(self) -> str:
        return f"make {self.path} read-only"


@operation
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


@operation
@dataclass(frozen=True, slots=True)
class OomScoreAdj(Operation):
    """-1000 to 1000; what was inherited is kept where CAP_SYS_RESOURCE would be needed to go below it."""

    CODE = 29
    SIGNATURE = "fu"
    proc: int
    value: int

    def describe(self) -> str:
        return f"set oom_score_adj {self.value}"


@operation
@dataclass(frozen=True, slots=True)
class BindMapped(Operation):
    """As :class:`Bind`, with the source's ids as those of a user namespace (mount_setattr(2), "ID-mapped mounts")."""

    CODE = 30
    SIGNATURE = "fssfsuqquf"
    SINCE = 2
    source_at: int
    source: str
    subpath: str
    at: int
    target: str
    flags: int
    set: int
    clear: int
    propagation: int
    userns: int
    note: str = ""

    @staticmethod
    def of(bind: Bind, userns: int) -> BindMapped:
        """The same bind, mapped."""
        return BindMapped(
            bind.source_at, bind.source, bind.subpath, bind.at, bind.target, bind.flags, bind.set, bind.clear,
            bind.propagation, userns, bind.note,
        )  # fmt: skip

    def describe(self) -> str:
        plain = Bind(
            self.source_at, self.source, self.subpath, self.at, self.target, self.flags, self.set, self.clear,
            self.propagation, self.note,
        )  # fmt: skip
        return f"{plain.describe().removesuffix(')')}, idmap)"


@operation
@dataclass(frozen=True, slots=True)
class OwnRoot(Operation):
    """Unshare the mount namespace, and others, and hold the root's copy in it."""

    CODE = 31
    SIGNATURE = "oq"
    SINCE = 2
    slot: int
    flags: int = 0

    def describe(self) -> str:
        return f"unshare {k.names_of(self.flags | k.CLONE_NEWNS, k.NAMESPACE_NAMES)} namespace, keep the root"


@operation
@dataclass(frozen=True, slots=True)
class ProcOf(Operation):
    """A detached copy of a container's /proc, checked to show the container's PID namespace."""

    CODE = 32
    SIGNATURE = "of"
    SINCE = 2
    slot: int
    pidfd: int

    def describe(self) -> str:
        return "copy the container's /proc"


@operation
@dataclass(frozen=True, slots=True)
class Chroot(Operation):
    """chroot(2), for a root that is attached nowhere: there is no mount namespace in which it could be the root."""

    CODE = 74
    SIGNATURE = "f"
    SINCE = 3
    root: int

    def describe(self) -> str:
        return "change root to the detached tree"
