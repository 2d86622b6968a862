"""The volumes of one pod, and the files that its containers' mounts need on the host's side."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from collections.abc import Mapping, Sequence

from pyrt._native import path_beneath
from pyrt.kube.container import Container, EphemeralContainer
from pyrt.kube.pod import Pod
from pyrt.kube.volumes import Volume
from pyrt.pods.errors import ContainerConfigError
from pyrt.pods.facts import NodeFacts
from pyrt.pods.translate import pod_directory, termination_file
from pyrt.runtime.config import Mount
from pyrt.runtime.spares import Spares
from pyrt.volumes import registry
from pyrt.volumes.errors import VolumeError
from pyrt.volumes.finish import finish, is_unfinished
from pyrt.volumes.object_volume import ObjectVolume, is_large
from pyrt.volumes.references import NONE, References
from pyrt.volumes.types import ImageContent, PreparedVolume, VolumeContext


class VolumeSet:
    """Makes a pod's volumes ready and takes them down; remembers what is ready."""

    def __init__(self, facts: NodeFacts, references: References = NONE) -> None:
        self._facts = facts
        self._references = references
        self.prepared: dict[str, PreparedVolume] = {}
        self.images: dict[str, ImageContent] = {}
        """By volume name: what image volumes are made from, as far as it is here."""
        self.ready = False
        self.stale = False
        """Something that a volume is made from has changed."""

    async def prepare(self, pod: Pod) -> None:
        """Make every volume ready; again after a restart of the daemon, when it finds what is there.

        Raises
        ------
        VolumeError: a volume cannot be had.
        """
        self.stale = False
        context = dataclasses.replace(volume_context(pod, self._facts, self._references), images=self.images)
        prepared = {}
        for volume in pod.spec.volumes:
            prepared[volume.name] = await _prepare(volume, context)
            if is_unfinished(prepared[volume.name], pod):
                directory = pod_directory(pod.metadata.uid, self._facts)
                await asyncio.to_thread(finish, prepared[volume.name], pod, directory)
        self.prepared, self.ready = prepared, True

    async def refresh(self, pod: Pod) -> None:
        """Bring the volumes that are made from API objects, or from the pod, up to date while containers use them.

        What cannot be had stays as it was, with a complaint.
        """
        self.stale = False
        context = volume_context(pod, self._facts, self._references)
        for volume in pod.spec.volumes:
            known = self.prepared.get(volume.name)
            if known is None or not known.follows_objects:
                continue
            try:
                self.prepared[volume.name] = await _prepare(volume, context)
            except VolumeError as error:
                self.prepared[volume.name] = dataclasses.replace(known, complaint=error.detail)

    @property
    def complaints(self) -> list[tuple[str, str]]:
        """(volume, why it is not what it should be)."""
        return [(volume.name, volume.complaint) for volume in self.prepared.values() if volume.complaint]

    def image_references(self) -> Mapping[str, str]:
        """By volume name: what image volumes were made from."""
        return {name: content.digest for name, content in self.images.items()}

    async def release(self, pod: Pod) -> None:
        """Take every volume down."""
        self.ready = False
        if pod.spec.volumes:
            await asyncio.to_thread(tear_down, pod, self._facts)

    def require_sub_paths(self, container: Container | EphemeralContainer, mounts: Sequence[Mount]) -> None:
        """Look whether the parts of volumes of API objects that a container mounts are there: a key may come later.

        ``mounts`` are those of its volumeMounts, in their order, and any behind them.

        Raises
        ------
        ContainerConfigError: one is not there.
        """
        for wanted, mount in zip(container.volume_mounts, mounts, strict=False):
            if not mount.sub_path or mount.make_sub_path or not self.prepared[wanted.name].follows_objects:
                continue
            try:
                base = os.open(mount.host_path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    os.close(path_beneath(base, mount.sub_path))
                finally:
                    os.close(base)
            except OSError as error:
                # What the kubelet says when it fails; it makes a directory of a key that is not there.
                raise ContainerConfigError(
                    f'failed to prepare subPath for volumeMount "{wanted.name}" of container "{container.name}": '
                    f"{mount.sub_path}",
                    errno=error.errno,
                ) from error

    def prepare_mounts(self, pod: Pod, container: Container | EphemeralContainer, attempt: int, spares: Spares) -> None:
        """Make the file for the termination message.

        Raises
        ------
        ContainerConfigError: it cannot be made.
        """
        if container.termination_message_path:
            path = termination_file(pod, container.name, attempt, self._facts)
            try:
                spares.take_message(str(path.parent), path.name)
            except OSError as error:
                raise ContainerConfigError(operation=f"create {path}", errno=error.errno) from error


async def _prepare(volume: Volume, context: VolumeContext) -> PreparedVolume:
    kind = registry.type_of(volume)
    if isinstance(kind, ObjectVolume):
        content = kind.collect(volume, context)
        if not is_large(content):
            return kind.write(volume, context, content)
        writing = asyncio.ensure_future(asyncio.to_thread(kind.write, volume, context, content))
        try:
            return await asyncio.shield(writing)
        except asyncio.CancelledError:
            await asyncio.wait((writing,))  # whoever cancels removes the directory next
            raise
    return kind.prepare(volume, context) if kind.on_loop else await asyncio.to_thread(kind.prepare, volume, context)


def volume_context(pod: Pod, facts: NodeFacts, references: References = NONE) -> VolumeContext:
    """What the volume layer needs to know of a pod."""
    uid = pod.metadata.uid
    return VolumeContext(
        uid,
        pod_directory(uid, facts) / "volumes",
        pod,
        references,
        facts.volumes_in_memory / uid,
        facts.allocatable,
    )


def plan_volumes(pod: Pod, facts: NodeFacts, references: References = NONE) -> dict[str, PreparedVolume]:
    """What :meth:`VolumeSet.prepare` will make, without making it."""
    context = volume_context(pod, facts, references)
    return {volume.name: registry.plan(volume, context) for volume in pod.spec.volumes}


def tear_down(pod: Pod, facts: NodeFacts) -> None:
    """Take every volume down; blocks on the disk. Raises VolumeError."""
    context = volume_context(pod, facts)
    for volume in pod.spec.volumes:
        registry.teardown(volume, context)
