"""Pulling the images of a pod's containers, as imagePullPolicy says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from pyrt.images.errors import ImageError
from pyrt.images.types import Image, PullPolicy
from pyrt.pods.model import Failure, ImageState, ObservedImage, PullImage
from pyrt.pods.pull_secrets import pull_secrets
from pyrt.pods.state import PodState

Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]


def duration_text(seconds: float) -> str:
    """As Go prints a duration that is cut to milliseconds: ``532ms``, ``1.2s``, ``1m2.5s``."""
    milliseconds = int(seconds * 1000)
    if milliseconds < 1000:
        return f"{milliseconds}ms" if milliseconds else "0s"
    minutes, rest = divmod(milliseconds, 60_000)
    text = f"{rest / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    return f"{minutes // 60}h{minutes % 60}m{text}" if minutes >= 60 else f"{minutes}m{text}" if minutes else text


class ImagePulls:
    """The pulls of one pod, one a container at most. Outcomes go to :attr:`PodState.images`."""

    def __init__(self, state: PodState, spawn: Spawn) -> None:
        self._state = state
        self._images = state.tools.images
        self._spawn = spawn
        self._running: dict[str, asyncio.Task[None]] = {}

    def begin(self, action: PullImage) -> None:
        """Begin a pull; an image that is there and need not be asked for anew answers at once."""
        policy = PullPolicy(action.policy)
        if policy is PullPolicy.IF_NOT_PRESENT and (image := self._images.get(action.image)) is not None:
            self._image_present(action, image)
            self._state.tell("Pulled", f'Container image "{action.image}" already present on machine', action.container)
            return
        previous = self._state.images.get(action.container)
        self._state.images[action.container] = ObservedImage(
            action.image, action.attempt, ImageState.PULLING, failure=previous.failure if previous is not None else None
        )
        if (running := self._running.pop(action.container, None)) is not None:
            running.cancel()
        self._running[action.container] = self._spawn(self._pull_now(action, policy))

    def _image_present(self, action: PullImage, image: Image) -> None:
        self._state.images[action.container] = ObservedImage(action.image, action.attempt, ImageState.PRESENT, image.id)

    async def _pull_now(self, action: PullImage, policy: PullPolicy) -> None:
        name = action.container
        if policy is not PullPolicy.NEVER:
            self._state.tell("Pulling", f'Pulling image "{action.image}"', name)
        begun = time.monotonic()
        try:
            image = await self._images.pull(action.image, policy=policy, secrets=self._secrets(policy))
        except ImageError as error:
            self._pull_failed(action, error)
            return
        self._image_present(action, image)
        if policy is PullPolicy.NEVER:
            self._state.tell("Pulled", f'Container image "{action.image}" already present on machine', name)
            return
        took = duration_text(time.monotonic() - begun)
        self._state.tell(
            "Pulled",
            f'Successfully pulled image "{action.image}" in {took} ({took} including waiting). '
            f"Image size: {image.size} bytes.",
            name,
        )

    def _secrets(self, policy: PullPolicy) -> tuple[bytes, ...]:
        if policy is PullPolicy.NEVER or not self._state.pod.spec.image_pull_secrets:
            return ()
        found = pull_secrets(self._state.pod, self._state.tools.references.secret)
        if found.missing:
            self._state.warn(
                "FailedToRetrieveImagePullSecret",
                f"Unable to retrieve some image pull secrets ({', '.join(found.missing)}); "
                "attempting to pull the image may not succeed.",
            )
        return found.configs

    def _pull_failed(self, action: PullImage, error: ImageError) -> None:
        previous = self._state.images.get(action.container)
        failure = Failure.after(
            previous.failure if previous is not None else None, error.reason, str(error), time.time_ns()
        )
        self._state.images[action.container] = ObservedImage(
            action.image, action.attempt, ImageState.FAILED, failure=failure
        )
        if error.reason == "InvalidImageName":
            self._state.warn("InspectFailed", str(error), action.container)
        elif error.reason == "ErrImageNeverPull":
            self._state.warn("ErrImageNeverPull", str(error), action.container)
        else:
            self._state.warn("Failed", f'Failed to pull image "{action.image}": {error}', action.container)
        self._state.warn("Failed", f"Error: {error.reason}", action.container)
