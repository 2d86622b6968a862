"""What a container is doing: asked of the kernel, never remembered (runtime.md, "State")."""

from __future__ import annotations

import os

from pyrt.oci.state import SOCKET, Directory, State

CREATING, CREATED, RUNNING, PAUSED, STOPPED = "creating", "created", "running", "paused", "stopped"


def start_time(pid: int) -> int:
    """Field 22 of /proc/PID/stat (proc_pid_stat(5)); 0 when there is no such process, or it has ended."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except OSError:
        return 0
    # The name stands in parentheses and may contain anything.
    fields = text[text.rindex(b")") + 2 :].split()
    return 0 if fields[0] in (b"Z", b"X") else int(fields[19])


def alive(state: State) -> bool:
    """Whether the container's process is there."""
    return state.pid > 0 and start_time(state.pid) == state.start_time


def waits(directory: Directory) -> bool:
    """Whether the process listens to be started: it does until the very execve, and nobody else does."""
    from _socket import AF_UNIX, SOCK_CLOEXEC, SOCK_SEQPACKET, socket

    probe = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC)
    try:
        probe.connect(f"/proc/self/fd/{directory.fd}/{SOCKET}")
    except OSError:
        return False
    finally:
        probe.close()
    return True


def frozen(state: State) -> bool:
    """Whether its cgroup is frozen."""
    for file, word in freezer_files(state):
        try:
            with open(file, encoding="ascii") as stream:
                return stream.read().strip() in word
        except OSError:
            continue
    return False


def freezer_files(state: State) -> list[tuple[str, tuple[str, ...]]]:
    """Where the kernel says so, and what it says then."""
    found: list[tuple[str, tuple[str, ...]]] = []
    for tasks in state.cgroup.tasks:
        directory = os.path.dirname(tasks)
        if os.path.exists(f"{directory}/freezer.state"):
            found.append((f"{directory}/freezer.state", ("FROZEN", "FREEZING")))
    if state.cgroup.directory is not None:
        found.append((f"{state.cgroup.directory}/cgroup.freeze", ("1",)))
    return found


def status(directory: Directory, state: State) -> str:
    """One of the words above."""
    if state.pid == 0:
        return CREATING if directory.locked() else STOPPED
    if not alive(state):
        return STOPPED
    if waits(directory):
        return CREATED
    return PAUSED if frozen(state) else RUNNING


def oci_state(directory: Directory, state: State, word: str | None = None) -> dict[str, object]:
    """The document of runtime.md, "State"."""
    word = status(directory, state) if word is None else word
    document: dict[str, object] = {
        "ociVersion": state.oci_version,
        "id": state.id,
        "status": word,
        "pid": 0 if word == STOPPED else state.pid,
        "bundle": state.bundle,
    }
    if state.annotations:
        document["annotations"] = state.annotations
    return document
