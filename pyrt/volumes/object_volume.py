"""What volumes made from API objects have in common: files in memory, read-only to containers, replaced when the
objects change.
"""

from __future__ import annotations

import dataclasses
from typing import Final

from pyrt.kube.container import Container, EphemeralContainer
from pyrt.kube.referring import volume_references
from pyrt.kube.volumes import Volume
from pyrt.volumes import atomic_writer, memory
from pyrt.volumes.errors import VolumeError
from pyrt.volumes.payload import Payload
from pyrt.volumes.types import PreparedVolume, VolumeContext

_LARGE_PARTS: Final = 50
_LARGE_BYTES: Final = 1 << 18


def is_large(content: Payload | VolumeError) -> bool:
    """Whether writing it takes so long that it should not be done on the event loop: a mebibyte of JSON may hold a
    hundred thousand keys.
    """
    if isinstance(content, VolumeError):
        return False
    parts = sum(path.count("/") + 1 for path in content)
    return parts > _LARGE_PARTS or sum(len(file.data) for file in content.values()) > _LARGE_BYTES


class ObjectVolume:
    """One of configMap, secret, downwardAPI and projected; each says what its files are."""

    kind: str
    on_loop = True

    def payload(self, volume: Volume, context: VolumeContext) -> Payload:
        """The files as they should be now. Raises :class:`VolumeError` when an object is missing."""
        raise NotImplementedError

    def plan(self, volume: Volume, context: VolumeContext) -> PreparedVolume:
        """See :class:`pyrt.volumes.types.VolumeType`."""
        path = context.memory / volume.name
        return PreparedVolume(
            volume.name, self.kind, path, makes_sub_paths=_is_optional(volume), read_only=True, follows_objects=True
        )

    def prepare(self, volume: Volume, context: VolumeContext) -> PreparedVolume:
        """:meth:`collect` and :meth:`write`."""
        return self.write(volume, context, self.collect(volume, context))

    def collect(self, volume: Volume, context: VolumeContext) -> Payload | VolumeError:
        """What is to be written, or why that is not known. On the event loop: it asks for objects."""
        try:
            return self.payload(volume, context)
        except VolumeError as error:
            return error

    def write(self, volume: Volume, context: VolumeContext, content: Payload | VolumeError) -> PreparedVolume:
        """Write the files, unless they are there as they should be. On any thread.

        When an object has been removed after the files were written, they stay as they are, and the answer has a
        complaint: the kubelet does not take files from a running pod either.
        """
        prepared = self.plan(volume, context)
        subject = f"volume {volume.name}"
        try:
            if isinstance(content, VolumeError):
                raise content
            payload = atomic_writer.checked(content)
        except VolumeError as error:
            if atomic_writer.is_published(prepared.path):
                return dataclasses.replace(prepared, complaint=str(error))
            error.subject = subject
            raise
        try:
            memory.make(prepared.path)
            atomic_writer.write(
                prepared.path, payload, gid=_fs_group(context), mount_points=_mount_points(volume.name, context)
            )
        except OSError as error:
            raise VolumeError(subject=subject, operation=f"write to {prepared.path}", errno=error.errno) from error
        return prepared

    def teardown(self, volume: Volume, context: VolumeContext) -> None:
        """Remove the files, and with the last of them the place in memory."""
        try:
            memory.release(context.memory)
        except OSError as error:
            raise VolumeError(
                subject=f"volume {volume.name}", operation=f"remove {error.filename}", errno=error.errno
            ) from error


def _is_optional(volume: Volume) -> bool:
    """Whether a file may be missing: who mounts just that gets an empty directory, as under the kubelet."""
    return any(reference.optional for reference in volume_references(volume))


def _fs_group(context: VolumeContext) -> int | None:
    security = context.pod.spec.security_context
    return security.fs_group if security is not None else None


def _mount_points(volume: str, context: VolumeContext) -> tuple[str, ...]:
    spec = context.pod.spec
    containers: list[Container | EphemeralContainer] = [
        *spec.init_containers,
        *spec.containers,
        *spec.ephemeral_containers,
    ]
    mounts = [{mount.mount_path: mount.name for mount in container.volume_mounts} for container in containers]
    return atomic_writer.nested_mount_points(mounts, volume)
