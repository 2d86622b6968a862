"""Which sandbox or container a kubelet means: those of its own world, by id or by the beginning of one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from grpc import StatusCode

from pyrt.cri.errors import CriError, not_found
from pyrt.ids import ContainerId, SandboxId
from pyrt.runtime import Runtime
from pyrt.runtime.config import Owner
from pyrt.runtime.errors import ContainerNotFoundError, SandboxNotFoundError
from pyrt.runtime.status import ContainerStatus, SandboxStatus

ID_LENGTH = 64

Status = TypeVar("Status", SandboxStatus, ContainerStatus)


class World:
    """The sandboxes and containers that came through this door. The operator's are not in it, by whatever id."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def sandboxes(self) -> list[SandboxStatus]:
        """All, oldest first. One that is being made is NOT_READY."""
        return self._runtime.list_sandboxes(Owner.CRI)

    def containers(self, sandbox_id: SandboxId | None = None) -> list[ContainerStatus]:
        """All, or those of one sandbox, oldest first."""
        return self._runtime.list_containers(sandbox_id, owner=Owner.CRI)

    def sandbox(self, text: str) -> SandboxStatus:
        """The sandbox of this id, or the only one whose id begins so. Raises :class:`CriError` (NOT_FOUND)."""
        if len(text) == ID_LENGTH:
            try:
                found = self._runtime.sandbox_status(SandboxId(text))
            except SandboxNotFoundError:
                raise not_found(f"sandbox {text}") from None
            if found.config.owner is Owner.CRI:
                return found
            raise not_found(f"sandbox {text}")
        return _only(self.sandboxes(), "sandbox", text)

    def container(self, text: str) -> ContainerStatus:
        """The container of this id, or the only one whose id begins so. Raises :class:`CriError` (NOT_FOUND)."""
        if len(text) == ID_LENGTH:
            try:
                found = self._runtime.container_status(ContainerId(text))
            except ContainerNotFoundError:
                raise not_found(f"container {text}") from None
            if self.sandbox_of(found).config.owner is Owner.CRI:
                return found
            raise not_found(f"container {text}")
        return _only(self.containers(), "container", text)

    def find_sandbox(self, text: str) -> SandboxStatus | None:
        """As :meth:`sandbox`; ``None`` if there is none: for calls to which gone is as good as done."""
        return _or_none(self.sandbox, text)

    def find_container(self, text: str) -> ContainerStatus | None:
        """As :meth:`container`; ``None`` if there is none."""
        return _or_none(self.container, text)

    def sandbox_of(self, container: ContainerStatus) -> SandboxStatus:
        """The sandbox of a container that exists."""
        return self._runtime.sandbox_status(container.sandbox_id)


def _or_none(find: Callable[[str], Status], text: str) -> Status | None:
    try:
        return find(text)
    except CriError as error:
        if error.code is not StatusCode.NOT_FOUND:
            raise
        return None


def _only(candidates: Iterable[Status], kind: str, text: str) -> Status:
    """As containerd: an empty id, and a beginning of none, are NOT_FOUND; one of several is INVALID_ARGUMENT."""
    found = [one for one in candidates if one.id.startswith(text)] if text else []
    if len(found) > 1:
        raise CriError(
            f"{len(found)} of them begin so", code=StatusCode.INVALID_ARGUMENT, subject=f"{kind} {text}", operation="id"
        )
    if not found:
        raise not_found(f"{kind} {text}" if text else f"{kind} of no id")
    return found[0]
