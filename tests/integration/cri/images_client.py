"""ImageService as a kubelet's client has it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import grpc
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from pyrt.config import Config
from pyrt.cri import runtime_pb2 as pb


class Images:
    """One connection."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel

    def _call(self, method: str, request: Message, timeout: float | None = 60) -> Any:
        service = pb.DESCRIPTOR.services_by_name["ImageService"]
        found = service.methods_by_name[method]
        make = self._channel.unary_stream if found.server_streaming else self._channel.unary_unary
        call = make(
            f"/{service.full_name}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=GetMessageClass(found.output_type).FromString,
        )
        return call(request, timeout=timeout)

    def pull(self, name: str, auth: pb.AuthConfig | None = None, timeout: float = 60) -> str:
        """The image_ref."""
        request = pb.PullImageRequest(image=pb.ImageSpec(image=name), auth=auth)
        return str(self._call("PullImage", request, timeout).image_ref)

    def status(self, name: str) -> pb.Image:
        """Of an absent image an empty message."""
        answer = self._call("ImageStatus", pb.ImageStatusRequest(image=pb.ImageSpec(image=name)))
        return answer.image

    def verbose(self, name: str) -> dict[str, str]:
        """The ``info`` of a verbose status."""
        return dict(self._call("ImageStatus", pb.ImageStatusRequest(image=pb.ImageSpec(image=name), verbose=True)).info)

    def all(self, name: str = "") -> list[pb.Image]:
        """ListImages; ``name`` filters."""
        selected = pb.ImageFilter(image=pb.ImageSpec(image=name)) if name else None
        return list(self._call("ListImages", pb.ListImagesRequest(filter=selected)).images)

    def streamed(self) -> list[pb.Image]:
        """StreamImages."""
        return [image for part in self._call("StreamImages", pb.StreamImagesRequest()) for image in part.images]

    def remove(self, name: str) -> None:
        """RemoveImage."""
        self._call("RemoveImage", pb.RemoveImageRequest(image=pb.ImageSpec(image=name)))

    def file_systems(self) -> tuple[pb.FilesystemUsage, pb.FilesystemUsage]:
        """ImageFsInfo: of images, of containers."""
        answer = self._call("ImageFsInfo", pb.ImageFsInfoRequest())
        [images], [containers] = answer.image_filesystems, answer.container_filesystems
        return images, containers


@contextlib.contextmanager
def images_of(config: Config) -> Iterator[Images]:
    """A client of a daemon."""
    with grpc.insecure_channel(f"unix:{config.cri_socket}") as channel:
        yield Images(channel)
