"""The images of a pod's image volumes: pulled before the volumes are made ready, as their pullPolicy says.

As with containers' images the pull is begun and not awaited, so that the pod can still be deleted meanwhile; a failure
is kept for the kubelet's back-off.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

from pyrt.images.errors import ImageError
from pyrt.images.types import Image, PullPolicy
from pyrt.kube.volumes import ImageVolumeSource, Volume
from pyrt.pods.backoff import pull_delay
from pyrt.pods.model import Failure
from pyrt.pods.observe import image_names
from pyrt.pods.pull_secrets import pull_secrets
from pyrt.pods.state import PodState
from pyrt.pods.translate import pod_directory
from pyrt.volumes.errors import VolumeError
from pyrt.volumes.image import noted
from pyrt.volumes.types import ImageContent

Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
PULLING: Final = "Pulling"
"""The reason of a failure that is none: the pull is under way."""
_LONG: Final = 9
"""A count that lets :func:`pyrt.pods.backoff.volume_delay` wait long: the end of the pull wakes the pod."""


class ImageVolumes:
    """The pulls of one pod's volumes."""

    def __init__(self, state: PodState, spawn: Spawn) -> None:
        self._state = state
        self._spawn = spawn
        self._pulls: dict[str, asyncio.Task[None]] = {}
        self._failures: dict[str, Failure] = {}

    def provide(self) -> Failure | None:
        """Put the content of every image volume into :attr:`PodState.volumes`, beginning pulls where needed.

        Answers with what is waited for, ``None`` if all are there. Raises :class:`VolumeError`: one cannot be had now.
        """
        waiting = [
            volume.image.reference
            for volume in self._state.pod.spec.volumes
            if volume.image is not None and not self._provide(volume, volume.image)
        ]
        if not waiting:
            return None
        return Failure(PULLING, f"pulling image {', '.join(waiting)}", time.time_ns(), _LONG)

    def _provide(self, volume: Volume, source: ImageVolumeSource) -> bool:
        known = self._state.volumes.images
        if volume.name in known and self._state.tools.images.get(known[volume.name].id) is not None:
            return True
        image = self._present(volume.name, source)
        if image is not None:
            self._there(volume.name, source.reference, image)
            return True
        if volume.name in self._pulls:
            return False
        failure = self._failures.get(volume.name)
        if failure is not None and time.time_ns() < failure.at + pull_delay(failure):
            raise VolumeError(
                f'Back-off pulling image "{source.reference}": {failure.reason}: {failure.message}',
                subject=f"volume {volume.name}",
            )
        self._pulls[volume.name] = self._spawn(self._pull(volume.name, source))
        return False

    def _present(self, name: str, source: ImageVolumeSource) -> Image | None:
        """The image that the pod has had from the beginning, or one that need not be asked for."""
        images = self._state.tools.images
        directory = pod_directory(self._state.pod.metadata.uid, self._state.tools.facts) / "volumes"
        pinned = noted(directory, name)
        if pinned is not None and (image := images.get(pinned)) is not None:
            return image
        return images.get(source.reference) if source.pull_policy != PullPolicy.ALWAYS.value else None

    def _there(self, name: str, reference: str, image: Image) -> None:
        self._failures.pop(name, None)
        _, digest = image_names(image, reference)
        self._state.volumes.images[name] = ImageContent(image.id, tuple(image.layers), digest or image.id)

    async def _pull(self, name: str, source: ImageVolumeSource) -> None:
        state, policy = self._state, PullPolicy(source.pull_policy)
        try:
            if policy is not PullPolicy.NEVER:
                state.tell("Pulling", f'Pulling image "{source.reference}"')
            found = pull_secrets(state.pod, state.tools.references.secret)
            image = await state.tools.images.pull(source.reference, policy=policy, secrets=found.configs)
            self._there(name, source.reference, image)
            state.tell("Pulled", f'Successfully pulled image "{source.reference}"')
            state.volumes_failure = None
        except ImageError as error:
            text = str(error)
            self._failures[name] = Failure.after(self._failures.get(name), error.reason, text, time.time_ns())
            state.warn("Failed", f'Failed to pull image "{source.reference}": {text}')
            state.warn("FailedMount", f'MountVolume.SetUp failed for volume "{name}" : {error.reason}: {text}')
            again = time.time_ns() + pull_delay(self._failures[name])
            state.volumes_failure = Failure(error.reason, text, again)
        finally:
            self._pulls.pop(name, None)
