"""ImageService: the images of this machine, as a kubelet sees them.

They are shared with the operator's pods. What those run on is told to be pinned, so that no kubelet collects it, and
what a kubelet has pulled is left alone by pyrt's own collector.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

from grpc import StatusCode

from pyrt._native import tree_usage
from pyrt.config import Config
from pyrt.cri import runtime_pb2 as pb
from pyrt.cri.errors import CriError
from pyrt.cri.services import Handlers
from pyrt.ids import ImageId
from pyrt.images.credentials import Credential, Keyring, decode_auth
from pyrt.images.errors import (
    ImageError,
    InvalidReferenceError,
    NotFoundError,
    UnavailableError,
)
from pyrt.images.manifest import chain_ids
from pyrt.images.reference import parse_reference
from pyrt.images.service import ImageService
from pyrt.images.types import Image, PullPolicy
from pyrt.runtime import Runtime
from pyrt.runtime.config import Owner
from pyrt.runtime.paths import RuntimePaths

_BATCH = 1000
"""Images in one message of a stream: far below the limit of 16 MiB."""
_FS_SECONDS = 10.0
"""How old the figures of the containers' directory may be: finding them takes a walk through it."""


class Images:
    """ImageService."""

    def __init__(self, config: Config, runtime: Runtime, images: ImageService) -> None:
        self._runtime = runtime
        self._images = images
        self._root = config.paths.root
        self._containers = Path(RuntimePaths.of(config).containers)
        self._walk = asyncio.Lock()
        self._walked = float("-inf")
        self._container_usage = pb.FilesystemUsage()

    def handlers(self) -> Handlers:
        """By method."""
        return {
            "ListImages": self.list_images,
            "StreamImages": self.stream_images,
            "ImageStatus": self.image_status,
            "PullImage": self.pull_image,
            "RemoveImage": self.remove_image,
            "ImageFsInfo": self.image_fs_info,
        }

    async def list_images(self, request: pb.ListImagesRequest) -> pb.ListImagesResponse:
        """All, or the one that the filter names, by name or id."""
        return pb.ListImagesResponse(images=self._list(request.filter))

    async def stream_images(self, request: pb.StreamImagesRequest) -> AsyncIterator[pb.StreamImagesResponse]:
        """As ListImages, in parts."""
        images = self._list(request.filter)
        for start in range(0, len(images), _BATCH):
            yield pb.StreamImagesResponse(images=images[start : start + _BATCH])

    def _list(self, selected: pb.ImageFilter) -> list[pb.Image]:
        name = selected.image.image
        image = self._images.get(name) if name else None
        found = self._images.list() if not name else (image,) if image is not None else ()
        operators = self._runtime.images_in_use(Owner.API)
        return [self._message(one, operators) for one in found]

    async def image_status(self, request: pb.ImageStatusRequest) -> pb.ImageStatusResponse:
        """One image; no image in the answer if it is not here. Verbose: its configuration."""
        image = self._images.get(request.image.image)
        if image is None:
            return pb.ImageStatusResponse()
        info = {"info": self._info(image)} if request.verbose else {}
        return pb.ImageStatusResponse(image=self._message(image, self._runtime.images_in_use(Owner.API)), info=info)

    async def pull_image(self, request: pb.PullImageRequest) -> pb.PullImageResponse:
        """Fetch what the registry has under this name now. ``image_ref`` is the image's id."""
        name = request.image.image
        try:
            keyring = keyring_of(request.auth, name) if request.HasField("auth") else None
            image = await self._images.pull(name, policy=PullPolicy.ALWAYS, keyring=keyring)
        except ImageError as error:
            raise _refusal(error) from error
        self._images.manage(image.id)
        return pb.PullImageResponse(image_ref=image.id)

    async def remove_image(self, request: pb.RemoveImageRequest) -> pb.RemoveImageResponse:
        """Remove an image with all its names, whichever of them is given. Containers that run on it run on.

        Refused if pods of the operator need it: to them it must not vanish. No error if it is not here.
        """
        name = request.image.image
        image = self._images.get(name)
        if image is None:
            return pb.RemoveImageResponse()
        if image.id in self._runtime.images_in_use(Owner.API):
            raise CriError(
                "pods of this machine's operator use it",
                code=StatusCode.FAILED_PRECONDITION,
                subject=f"image {name}",
                operation="remove",
            )
        with contextlib.suppress(NotFoundError):  # Another call was quicker.
            await self._images.remove(image.id, force=True, all_names=True)
        return pb.RemoveImageResponse()

    async def image_fs_info(self, request: pb.ImageFsInfoRequest) -> pb.ImageFsInfoResponse:
        """What images and the writable layers of containers take on disk, in bytes and inodes."""
        usage = await self._images.usage()
        images = pb.FilesystemUsage(
            timestamp=time.time_ns(),
            fs_id=pb.FilesystemIdentifier(mountpoint=str(usage.path)),
            used_bytes=pb.UInt64Value(value=usage.bytes),
            inodes_used=pb.UInt64Value(value=usage.inodes),
        )
        return pb.ImageFsInfoResponse(
            image_filesystems=[images], container_filesystems=[await self._container_filesystem()]
        )

    async def _container_filesystem(self) -> pb.FilesystemUsage:
        async with self._walk:
            if time.monotonic() - self._walked >= _FS_SECONDS:
                self._container_usage = await asyncio.to_thread(_container_usage, self._containers, self._root)
                self._walked = time.monotonic()
            return self._container_usage

    def _message(self, image: Image, operators: set[ImageId]) -> pb.Image:
        uid, username = user_of(image.config.user)
        return pb.Image(
            id=image.id,
            repo_tags=image.repo_tags,
            repo_digests=image.repo_digests,
            size=image.size,
            uid=None if uid is None else pb.Int64Value(value=uid),
            username=username,
            spec=pb.ImageSpec(image=image.id),
            pinned=image.id in operators or self._images.pinned(image),
        )

    def _info(self, image: Image) -> str:
        """What ``crictl inspecti`` shows, with containerd's keys."""
        document = json.loads(self._images.configuration(image.id))
        chain = chain_ids([str(diff_id) for diff_id in document["rootfs"]["diff_ids"]])
        return json.dumps({"chainID": chain[-1] if chain else "", "imageSpec": document})


def user_of(user: str) -> tuple[int | None, str]:
    """The image's user as (uid, name): one of them, or neither. The group is not told."""
    name = user.partition(":")[0]
    if re.fullmatch(r"[+-]?[0-9]+", name) and -(2**63) <= int(name) < 2**63:
        return int(name), ""
    return None, name


def keyring_of(auth: pb.AuthConfig, image: str) -> Keyring | None:
    """The identity that a kubelet wants used, and no other; ``None`` if it gave none.

    Without ``server_address`` it is for the registry of ``image``, not for a mirror that stands in for that. Raises
    :class:`ImageError`, which tells nothing of the secret.
    """
    if not auth.ByteSize():
        return None
    reference = parse_reference(image)
    username, password = auth.username, auth.password
    if not username and not auth.identity_token and auth.auth:
        username, password = decode_auth(auth.auth, "auth.auth", f"image {image}")
    credential = Credential(username, password, auth.identity_token, auth.registry_token)
    if credential == Credential():
        return None
    return Keyring(((auth.server_address or reference.domain, credential),))


def _refusal(error: ImageError) -> CriError:
    """What the kubelet is told of a pull that failed.

    It looks at the beginning of the text (k8s.io/cri-api, pkg/errors): RegistryUnavailable becomes the reason of the
    container's waiting. It drops the code UNKNOWN, and shows every other.
    """
    if isinstance(error, UnavailableError):
        return CriError(f"RegistryUnavailable: {error}")
    if isinstance(error, InvalidReferenceError):
        return CriError(str(error), code=StatusCode.INVALID_ARGUMENT)
    if isinstance(error, NotFoundError):
        return CriError(str(error), code=StatusCode.NOT_FOUND)
    return CriError(str(error))


def _container_usage(directory: Path, root: Path) -> pb.FilesystemUsage:
    try:
        used = tree_usage(str(directory))
        own = directory.stat().st_dev != root.stat().st_dev
    except FileNotFoundError:
        return pb.FilesystemUsage(timestamp=time.time_ns(), fs_id=pb.FilesystemIdentifier(mountpoint=str(root)))
    return pb.FilesystemUsage(
        timestamp=time.time_ns(),
        # Of one file system there is one name: kubelets hold the two against each other.
        fs_id=pb.FilesystemIdentifier(mountpoint=str(directory if own else root)),
        used_bytes=pb.UInt64Value(value=used.bytes),
        inodes_used=pb.UInt64Value(value=used.inodes),
    )
