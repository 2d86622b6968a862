"""From what the runtime reports to what reconciliation wants to know."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from pyrt.errors import PyrtError
from pyrt.images.types import Image
from pyrt.kube.container import Container, EphemeralContainer
from pyrt.pods.model import BackOff, ObservedContainer, ObservedSandbox, User
from pyrt.pods.translate import BACK_OFF, resources_of
from pyrt.runtime.config import ContainerConfig
from pyrt.runtime.container_user import resolve_user
from pyrt.runtime.status import ContainerStatus, SandboxState, SandboxStatus
from pyrt.streams.logformat import BLOCK, BOTH_STREAMS, LogFormatter, LogOptions, tail_offset
from pyrt.streams.logs import open_log

MESSAGE_MAX: Final = 4096
"""Bytes of a termination message (kubelet, ``MaxContainerTerminationMessageLength``)."""
FALLBACK_LINES: Final = 80
FALLBACK_BYTES: Final = 2048


def sandbox(status: SandboxStatus, *, resized: bool = False) -> ObservedSandbox:
    """One sandbox; of a pod that was ``resized``, also what its cgroup has."""
    return ObservedSandbox(
        id=status.id,
        attempt=status.config.metadata.attempt,
        ready=status.state is SandboxState.READY,
        created_at=status.created_at,
        addresses=status.addresses,
        resources=status.config.resources if resized else None,
    )


def user(config: ContainerConfig) -> User | None:
    """uid, gid and groups of a container's first process; ``None`` if the image that says it is gone."""
    try:
        found = resolve_user(config)
    except PyrtError:
        return None
    return found.uid, found.gid, tuple(found.groups)


def container(
    status: ContainerStatus,
    *,
    message: str,
    stop_deadline: int,
    stop_reason: str,
    stop_began: int = 0,
    identity: User | None = None,
    resized: bool = False,
) -> ObservedContainer:
    """One instance of a container."""
    config = status.config
    name, digest = image_names(config.image, config.image_ref)
    return ObservedContainer(
        id=status.id,
        name=config.name,
        attempt=config.attempt,
        state=status.state,
        sandbox_id=status.sandbox_id,
        created_at=status.created_at,
        started_at=status.started_at,
        finished_at=status.finished_at,
        exit_code=status.exit_code,
        signal=status.signal,
        reason=status.reason,
        message=message or status.message,
        image=config.image_ref,
        image_id=config.image.id,
        image_name=name,
        image_digest=digest,
        back_off=BackOff.decode(config.annotations.get(BACK_OFF, "")),
        stop_deadline=stop_deadline,
        stop_reason=stop_reason,
        stop_began=stop_began,
        user=identity,
        requirements=resources_of(config.annotations) if resized else None,
    )


def image_names(image: Image, ref: str) -> tuple[str, str]:
    """The canonical name and the digest reference that a status shows for an image that was asked for as ``ref``."""
    wanted = ref.partition("@")[0]
    name = next((tag for tag in image.repo_tags if _same(tag, wanted)), image.repo_tags[0] if image.repo_tags else ref)
    repository = _repository(name)
    digest = next((d for d in image.repo_digests if d.partition("@")[0] == repository), "")
    return name, digest or (image.repo_digests[0] if image.repo_digests else "")


def _same(canonical: str, ref: str) -> bool:
    tagged = ref if ":" in ref.rpartition("/")[2] else f"{ref}:latest"
    return canonical == tagged or canonical.endswith(f"/{tagged}")


def _repository(name: str) -> str:
    head, slash, last = name.rpartition("/")
    return head + slash + last.partition(":")[0]


def termination_message(spec: Container | EphemeralContainer | None, file: Path, log: Path, exit_code: int) -> str:
    """What a container left as its last words (core/v1, ``terminationMessagePolicy``).

    The file was written by the container, and the directory is not shared with it: at worst it is large or no text.
    """
    if spec is None:
        return ""
    text = _head(file, MESSAGE_MAX) if spec.termination_message_path else b""
    if not text and exit_code != 0 and spec.termination_message_policy == "FallbackToLogsOnError":
        text = _tail(log)
    return text.decode(errors="replace")


def _head(path: Path, size: int) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return b""
    try:
        return os.read(fd, size) if stat.S_ISREG(os.fstat(fd).st_mode) else b""
    finally:
        os.close(fd)


def _tail(path: Path) -> bytes:
    try:
        fd = open_log(path)
    except OSError:
        return b""
    try:
        size = os.fstat(fd).st_size
        offset, _ = tail_offset(lambda length, at: os.pread(fd, length, at), size, FALLBACK_LINES, BOTH_STREAMS)
        offset = max(offset, size - BLOCK)
        return LogFormatter(LogOptions()).feed(os.pread(fd, BLOCK, offset))[-FALLBACK_BYTES:]
    finally:
        os.close(fd)
