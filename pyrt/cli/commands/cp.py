"""``pyrt cp``."""

from __future__ import annotations

import os
import posixpath
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from pyrt.cli.command import Command
from pyrt.cli.failure import CliError, warn
from pyrt.cli.options import container_option
from pyrt.cli.remote import finish, open_exec
from pyrt.cli.session import Session
from pyrt.cli.streaming import pump, to_fd
from pyrt.client.remotecommand import exit_code
from pyrt.client.resources import POD

EXAMPLES = """
# Requires that the 'tar' binary is present in the container.
# Copy /tmp/foo local file to /tmp/bar in a pod of the current namespace
pyrt cp /tmp/foo mypod:/tmp/bar

# Copy /tmp/foo local directory to /tmp/bar_dir in a pod of namespace build, container app
pyrt cp /tmp/foo_dir build/mypod:/tmp/bar_dir -c app

# Copy /tmp/foo from a remote pod to /tmp/bar locally
pyrt cp build/mypod:/tmp/foo /tmp/bar
"""

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """One end of a copy. A local one has no pod."""

    path: str
    pod: str = ""
    namespace: str = ""


@click.command(cls=Command, name="cp", examples=EXAMPLES, arguments="<file-spec-src> <file-spec-dest>")
@click.argument("places", nargs=-1)
@click.option("--no-preserve", is_flag=True, help="Owner and mode are not preserved in the container.")
@container_option()
@click.pass_obj
def command(session: Session, /, places: tuple[str, ...], no_preserve: bool, container: str) -> None:
    """Copy files and directories to and from containers.

    Symbolic links and special files of a container are left out.
    """
    if len(places) != 2:
        raise CliError("source and destination are required\nSee 'pyrt cp -h' for help and examples")
    source, target = (parse_place(text) for text in places)
    if bool(source.pod) == bool(target.pod):
        raise CliError("one of src or dest must be a remote file specification")
    if not source.path or not target.path:
        raise CliError("filepath can not be empty")
    remote = source if source.pod else target
    pod = session.api.get(POD.path(remote.namespace or session.namespace, remote.pod))
    if source.pod:
        _from_container(session, pod, container, source.path, Path(target.path))
    else:
        _to_container(session, pod, container, Path(source.path), target.path, no_preserve)


def parse_place(text: str) -> Place:
    """``[[namespace/]pod:]path``. What begins like a path is local, colons and all. Raises :class:`CliError`."""
    head, colon, path = text.partition(":")
    if not colon or text[0] in "./":
        return Place(text)
    namespace, slash, pod = head.rpartition("/")
    if not pod or "/" in namespace or (slash and not namespace):
        raise CliError(f"filespec must match the canonical format: [[namespace/]pod:]file/path: {text}")
    return Place(path, pod, namespace)


def _from_container(session: Session, pod: Object, container: str, source: str, target: Path) -> None:
    from pyrt.cli.tarball import extract

    # "dir/." is what is in the directory; all else keeps its name when it is put into an existing directory.
    directory, top = posixpath.split(source.rstrip("/") or "/")
    if top in {"", ".", ".."}:
        directory, top = source, "."
    elif target.is_dir():
        target = target / top
    command = ["tar", "cf", "-", "-C", directory or ".", "--", top if top == "." else f"./{top}"]
    stream = open_exec(session, pod, container, command)
    reader, writer = os.pipe()
    counted: list[int] = []

    def unpack() -> None:
        with open(reader, "rb") as archive:
            if archive.peek(1):  # nothing at all: the container's tar could not begin, and its exit code says so
                counted.append(extract(archive, top, target, warn))
            while archive.read(65536):
                pass  # padding after the end of the archive

    complaint = bytearray()
    try:
        with _Worker(unpack) as worker:
            write = to_fd(writer)
            try:
                status = pump(stream, stdin=None, stdout=worker.guard(write), stderr=complaint.extend)
            finally:
                os.close(writer)
    finally:
        stream.close()
        _complain(complaint)
    _finish(status)
    if not sum(counted):
        raise CliError(f"{source}: nothing was copied")


def _to_container(session: Session, pod: Object, container: str, source: Path, target: str, no_preserve: bool) -> None:
    from pyrt.cli.tarball import archive

    if not source.exists():
        raise CliError(f"{source} doesn't exist in local filesystem")
    if target.endswith("/") or _is_directory(session, pod, container, target):
        target = posixpath.join(target, source.resolve().name)
    directory, name = posixpath.split(target.rstrip("/"))
    command = ["tar", "-xmf", "-", "-C", directory or ("/" if target.startswith("/") else ".")]
    if no_preserve:
        command[1:1] = ["--no-same-permissions", "--no-same-owner"]
    stream = open_exec(session, pod, container, command, stdin=True, quiet=True)
    reader, writer = os.pipe()

    def pack() -> None:
        try:
            with open(writer, "wb") as stream:
                archive(stream, source, name)
        except BrokenPipeError:
            return  # the container's tar has ended before its input; its exit code says why

    complaint = bytearray()
    try:
        with _Worker(pack):
            try:
                status = pump(stream, stdin=reader, stdout=to_fd(1), stderr=complaint.extend)
            finally:
                os.close(reader)
    finally:
        stream.close()
        _complain(complaint)
    _finish(status)


def _is_directory(session: Session, pod: Object, container: str, path: str) -> bool:
    stream = open_exec(session, pod, container, ["test", "-d", path])
    try:
        status = pump(stream, stdin=None, stdout=_ignore, stderr=_ignore)
    finally:
        stream.close()
    return exit_code(status) == 0


def _finish(status: Object | None) -> None:
    """As for exec, with a word about the usual reason."""
    if exit_code(status) in {126, 127}:
        warn("error: tar could not be run in the container; cp needs it there")
    finish(status)


def _ignore(data: bytes) -> None:
    """Nobody wants to know."""


def _complain(text: bytearray) -> None:
    if text:
        warn(text.decode(errors="replace").rstrip("\n"))


class _Worker:
    """The other end of a pipe, in a thread; its exception is raised where the thread is joined."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - raised again by __exit__, in the main thread
            self._error = error

    def guard(self, write: Callable[[bytes], None]) -> Callable[[bytes], None]:
        """``write``, which gives up silently when the worker has: the worker's error is the one to tell."""

        def guarded(data: bytes) -> None:
            try:
                write(data)
            except BrokenPipeError:
                if self._error is not None:
                    raise self._error from None
                raise

        return guarded

    def __enter__(self) -> _Worker:
        self._thread.start()
        return self

    def __exit__(self, kind: object, value: BaseException | None, trace: object) -> None:
        self._thread.join()
        if self._error is not None and value is not self._error:
            raise self._error
