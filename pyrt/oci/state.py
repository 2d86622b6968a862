"""What is kept of a container: a directory ``<root>/<id>`` that only root may enter.

``state.json`` is written whole or not at all; ``config.json`` is the bundle's as it was at creation (changes to it have
no effect, runtime.md "create"); ``start.sock`` is where a created container waits to be started. Whoever changes
something holds a lock on the directory, which the kernel lets go of with its holder.
"""

from __future__ import annotations

import errno
import fcntl
import os

from pyrt import quickjson
from pyrt.oci.errors import NotFoundError, OciError

_ALLOWED = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.")
STATE, CONFIG, SOCKET = "state.json", "config.json", "start.sock"


class Cgroup:
    """Where a container's processes are."""

    __slots__ = ("directory", "mount_points", "parent", "path", "tasks")

    def __init__(
        self, path: str, parent: dict[str, str], tasks: list[str], directory: str | None, mount_points: list[str]
    ) -> None:
        self.path = path
        """Below what ``parent`` says."""
        self.parent = parent
        """Mount point of a hierarchy -> where in it ``path`` begins, if that is not its root."""
        self.tasks = tasks
        """v1: the files that a process writes itself into."""
        self.directory = directory
        """v2: where it is born."""
        self.mount_points = mount_points


class State:
    """``state.json``."""

    __slots__ = (
        "annotations",
        "bundle",
        "cgroup",
        "created",
        "has_hooks",
        "id",
        "namespaces",
        "oci_version",
        "owns_cgroup",
        "pid",
        "rootfs",
        "start_time",
        "tracer",
        "user_namespace",
    )

    def __init__(self, id_: str, bundle: str, rootfs: str, oci_version: str, annotations: dict[str, str]) -> None:
        self.id = id_
        self.bundle = bundle
        self.rootfs = rootfs
        self.oci_version = oci_version
        self.annotations = annotations
        self.created = ""
        """RFC 3339."""
        self.pid = 0
        """0 until there is a process."""
        self.start_time = 0
        """Of the process, in clock ticks since boot: tells it from another one that has its number later."""
        self.namespaces = 0
        """CLONE_NEW* of those that are not the host's."""
        self.user_namespace = False
        self.tracer = False
        """Whether a process with CAP_SYS_PTRACE has been let in that the configuration does not speak of."""
        self.has_hooks = False
        self.owns_cgroup = True
        """Whether it was made for the container, and goes with it."""
        self.cgroup = Cgroup("", {}, [], None, [])

    def encode(self) -> str:
        """The file's text."""
        fields = {name: getattr(self, name) for name in self.__slots__ if name != "cgroup"}
        fields["cgroup"] = {name: getattr(self.cgroup, name) for name in Cgroup.__slots__}
        return quickjson.dumps(fields)

    @staticmethod
    def decode(text: str) -> State:
        """Read one. Raises ValueError, KeyError."""
        fields = quickjson.loads(text)
        state = State("", "", "", "", {})
        for name in State.__slots__:
            if name == "tracer":
                state.tracer = fields.get(name, False)  # containers of an older version have none
            elif name != "cgroup":
                setattr(state, name, fields[name])
        state.cgroup = Cgroup(**fields["cgroup"])
        return state


def check_id(id_: str) -> str:
    """An id is a file name of letters, digits and ``_+-.``. Raises :class:`OciError`."""
    if not id_:
        raise OciError("container id cannot be empty")
    if id_ in (".", "..") or not _ALLOWED.issuperset(id_) or len(id_) > 1024:
        raise OciError(f"invalid container ID format: {id_!r}")
    return id_


class Directory:
    """A container's directory, held open; ``lock`` for changes."""

    __slots__ = ("fd", "path")

    def __init__(self, path: str, fd: int) -> None:
        self.path = path
        self.fd = fd

    @staticmethod
    def create(root: str, id_: str) -> Directory:
        """Make it, locked. Raises :class:`OciError` when the id is taken."""
        path = f"{root}/{check_id(id_)}"
        try:
            try:
                os.mkdir(path, 0o700)
            except FileNotFoundError:
                os.makedirs(root, 0o711, exist_ok=True)
                os.mkdir(path, 0o700)
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileExistsError:
            raise OciError(f"container with id exists: {id_}") from None
        except OSError as error:
            raise OciError(operation=f"create {path}", errno=error.errno) from error
        directory = Directory(path, fd)
        directory.lock()
        return directory

    @staticmethod
    def open(root: str, id_: str) -> Directory:
        """An existing container's. Raises :class:`NotFoundError`."""
        path = f"{root}/{check_id(id_)}"
        try:
            return Directory(path, os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        except FileNotFoundError:
            raise NotFoundError from None
        except OSError as error:
            raise OciError(operation=f"open {path}", errno=error.errno) from error

    def lock(self) -> None:
        """Wait until nobody else changes anything."""
        fcntl.flock(self.fd, fcntl.LOCK_EX)

    def unlock(self) -> None:
        """Let others."""
        fcntl.flock(self.fd, fcntl.LOCK_UN)

    def locked(self) -> bool:
        """Whether somebody else is changing something."""
        try:
            fcntl.flock(self.fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            return error.errno == errno.EWOULDBLOCK
        fcntl.flock(self.fd, fcntl.LOCK_UN)
        return False

    def gone(self) -> bool:
        """Whether somebody has removed it since it was opened."""
        return os.fstat(self.fd).st_nlink == 0

    def read(self) -> State:
        """Raises :class:`NotFoundError`: no state was ever written, or it is gone."""
        try:
            return State.decode(self.read_file(STATE))
        except FileNotFoundError:
            raise NotFoundError from None
        except (ValueError, KeyError, TypeError) as error:
            raise OciError(f"{error}", operation=f"read {self.path}/{STATE}") from error

    def write(self, state: State) -> None:
        """Replace the state."""
        self.write_file(STATE, state.encode().encode())

    def read_file(self, name: str) -> str:
        """A whole file. Raises OSError."""
        with open(os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self.fd), encoding="utf-8") as file:
            return file.read()

    def write_file(self, name: str, data: bytes) -> None:
        """Write a file whole or not at all. Raises :class:`OciError`."""
        new = f".{name}.new"
        try:
            fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600, dir_fd=self.fd)
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(fd, view) :]
            finally:
                os.close(fd)
            os.rename(new, name, src_dir_fd=self.fd, dst_dir_fd=self.fd)
        except OSError as error:
            raise OciError(operation=f"write {self.path}/{name}", errno=error.errno) from error

    def remove(self) -> None:
        """The directory and what is in it. Raises :class:`OciError`."""
        try:
            for name in os.listdir(self.fd):
                os.unlink(name, dir_fd=self.fd)
            os.rmdir(self.path)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise OciError(operation=f"remove {self.path}", errno=error.errno) from error


def containers(root: str) -> list[str]:
    """The ids below a root."""
    try:
        names = sorted(os.listdir(root))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise OciError(operation=f"open {root}", errno=error.errno) from error
    return [name for name in names if os.path.isdir(f"{root}/{name}")]
