"""``pyrt.dev/v1`` images: what Kubernetes' API has no words for."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web

from pyrt.api.call import Answer, Call, Streamed, answer
from pyrt.api.discovery import Listed
from pyrt.api.errors import ApiError, bad_request, not_found
from pyrt.api.query import flag
from pyrt.images.errors import ImageError, ImageInUseError, InvalidReferenceError, NotFoundError, UnauthorizedError
from pyrt.images.service import ImageService
from pyrt.images.types import ArchiveFormat, Image, LayerProgress, PullPolicy, Removal
from pyrt.kube.response import StatusDetails
from pyrt.pods.supervisor import Supervisor

GROUP: Final = "pyrt.dev"
VERSION: Final = "v1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
LISTED: Final = (Listed("images", "image", "Image", ("delete", "list")),)
_FORMATS: Final = {
    "": ArchiveFormat.OCI_ARCHIVE,
    "oci-archive": ArchiveFormat.OCI_ARCHIVE,
    "docker-archive": ArchiveFormat.DOCKER_ARCHIVE,
    "oci-layout": ArchiveFormat.OCI_LAYOUT,
}
_CHUNK: Final = 1 << 20


class Credentials(msgspec.Struct, forbid_unknown_fields=True):
    """For one registry."""

    username: str = ""
    password: str = ""


class PullRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The body of ``POST images/pull``."""

    image: str
    auth: Credentials | None = None
    policy: str = "Always"


class SaveRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The body of ``POST images/save``."""

    images: list[str]
    format: str = ""
    path: str = ""


class PruneRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The body of ``POST images/prune``."""

    all: bool = False


class Images:
    """Answers for images."""

    def __init__(self, images: ImageService, supervisor: Supervisor, scratch: Path) -> None:
        self._images = images
        self._supervisor = supervisor
        self._scratch = scratch
        """Where archives that come or go with a body lie meanwhile."""

    def list_(self, call: Call) -> Answer:
        """``GET images``."""
        return answer(self._list(self._images.list()))

    def get(self, call: Call) -> Answer:
        """``GET image?ref=``."""
        ref = _ref(call)
        image = self._find(ref)
        value = self._value(image)
        value["layers"] = [
            {"digest": layer.digest, "diffID": layer.diff_id, "size": layer.size, "unpacked": layer.unpacked}
            for layer in self._images.layers(ref)
        ]
        return answer(value)

    async def remove(self, call: Call) -> Answer:
        """``DELETE images?ref=``."""
        ref = _ref(call)
        self._find(ref)
        try:
            removal = await self._images.remove(ref, force=flag(call.query, "force"))
        except ImageError as error:
            raise image_error(error, ref) from error
        return answer({"kind": "ImageRemoval", "apiVersion": API_VERSION} | _removal(removal))

    def pull(self, call: Call) -> Streamed:
        """``POST images/pull``."""
        body = decode(call.body, PullRequest)
        try:
            policy = PullPolicy(body.policy)
        except ValueError as error:
            raise bad_request(f'policy: Unsupported value: "{body.policy}"') from error
        return Streamed(self._pull(body, policy), "application/jsonl")

    async def _pull(self, body: PullRequest, policy: PullPolicy) -> AsyncIterator[bytes]:
        news: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

        def progress(layer: LayerProgress) -> None:
            news.put_nowait(
                {
                    "type": "layer",
                    "digest": layer.digest,
                    "state": layer.state.value,
                    "current": layer.done,
                    "total": layer.total,
                    "rate": layer.rate,
                }
            )

        pulling = asyncio.create_task(
            self._images.pull(body.image, policy=policy, secrets=_secrets(body), progress=progress)
        )
        pulling.add_done_callback(lambda _task: news.put_nowait(None))
        try:
            yield _jsonl({"type": "resolving", "image": body.image})
            while (item := await news.get()) is not None:
                yield _jsonl(item)
            try:
                yield _jsonl({"type": "done", "image": self._value(pulling.result())})
            except ImageError as error:
                yield _jsonl({"type": "error", "status": image_error(error, body.image).status()})
        finally:
            pulling.cancel()
            await asyncio.gather(pulling, return_exceptions=True)

    async def import_(self, call: Call, request: web.BaseRequest) -> Answer:
        """``POST images/import``: a path on this machine, or the archive as the body."""
        path, name = call.query.get("path", ""), call.query.get("tag", "")
        if path and not path.startswith("/"):
            raise bad_request(f"path: Invalid value: {path!r}: must be absolute")
        try:
            if path:
                return answer(self._list(await self._images.import_(Path(path), name=name)))
            with tempfile.NamedTemporaryFile(dir=self._scratch, prefix="import-", suffix=".tar") as file:
                async for chunk in request.content.iter_chunked(_CHUNK):
                    await asyncio.to_thread(file.write, chunk)
                file.flush()
                return answer(self._list(await self._images.import_(Path(file.name), name=name)))
        except ImageError as error:
            raise image_error(error, path or "archive") from error

    async def save(self, call: Call) -> Answer | Streamed:
        """``POST images/save``."""
        body = decode(call.body, SaveRequest)
        if body.format not in _FORMATS:
            raise bad_request(
                f'format: Unsupported value: "{body.format}": supported values: {", ".join(filter(None, _FORMATS))}'
            )
        form = _FORMATS[body.format]
        for ref in body.images:
            self._find(ref)
        if not body.images:
            raise bad_request("images: Required value")
        try:
            if body.path:
                if not body.path.startswith("/"):
                    raise bad_request(f"path: Invalid value: {body.path!r}: must be absolute")
                await self._images.save(body.images, Path(body.path), archive_format=form)
                size = os.stat(body.path).st_size
                return answer({"kind": "ImageSave", "apiVersion": API_VERSION, "path": body.path, "size": size})
            if form is ArchiveFormat.OCI_LAYOUT:
                raise bad_request("path: Required value: an OCI layout is a directory")
            fd, name = tempfile.mkstemp(dir=self._scratch, prefix="save-", suffix=".tar")
            os.close(fd)
            path = Path(name)
            try:
                await self._images.save(body.images, path, archive_format=form)
            except BaseException:
                path.unlink(missing_ok=True)
                raise
        except ImageError as error:
            raise image_error(error, " ".join(body.images)) from error
        return Streamed(_drained(path), "application/x-tar")

    async def prune(self, call: Call) -> Answer:
        """``POST images/prune``."""
        body = decode(call.body or b"{}", PruneRequest)
        removal = await self._images.prune(all_unused=body.all)
        return answer({"kind": "ImagePrune", "apiVersion": API_VERSION} | _removal(removal))

    def _find(self, ref: str) -> Image:
        try:
            image = self._images.get(ref)
        except ImageError as error:
            raise image_error(error, ref) from error
        if image is None:
            raise not_found("images", ref, group=GROUP)
        return image

    def _list(self, images: tuple[Image, ...]) -> dict[str, Any]:
        return {
            "kind": "ImageList",
            "apiVersion": API_VERSION,
            "metadata": {},
            "items": [self._value(image) for image in images],
        }

    def _value(self, image: Image) -> dict[str, Any]:
        config = image.config
        return {
            "kind": "Image",
            "apiVersion": API_VERSION,
            "metadata": {"name": image.id, "creationTimestamp": image.created or None},
            "id": image.id,
            "digest": image.manifest_digest,
            "repoTags": image.repo_tags,
            "repoDigests": image.repo_digests,
            "size": image.size,
            "layerCount": len(image.layers),
            "architecture": image.architecture,
            "os": image.os,
            "usedBy": self._supervisor.users_of(image.id),
            "config": {
                "entrypoint": config.entrypoint,
                "cmd": config.cmd,
                "env": config.env,
                "workingDir": config.working_dir,
                "user": config.user,
                "stopSignal": config.stop_signal,
                "volumes": config.volumes,
                "labels": config.labels,
            },
        }


T = TypeVar("T")


def decode(body: bytes, kind: type[T]) -> T:
    """A small request body. Raises ApiError 400."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError as error:
        raise bad_request(f"the body cannot be handled as a {kind.__name__}: {error}") from error


def image_error(error: ImageError, ref: str) -> ApiError:
    """The API's answer to an image that cannot be had."""
    text = str(error)
    if isinstance(error, ImageInUseError):
        return ApiError(409, "Conflict", text, StatusDetails(name=ref, group=GROUP, kind="images"))
    if isinstance(error, InvalidReferenceError):
        return bad_request(text)
    if isinstance(error, NotFoundError):
        return ApiError(404, "NotFound", text, StatusDetails(name=ref, group=GROUP, kind="images"))
    if isinstance(error, UnauthorizedError):
        return ApiError(403, "Forbidden", text, StatusDetails(name=ref, group=GROUP, kind="images"))
    return ApiError(500, "InternalError", text, StatusDetails(name=ref, group=GROUP, kind="images"))


def _ref(call: Call) -> str:
    ref = call.query.get("ref", "")
    if not ref:
        raise bad_request("ref: Required value")
    return ref


def _secrets(body: PullRequest) -> tuple[bytes, ...]:
    if body.auth is None:
        return ()
    host = body.image.partition("/")[0] if "/" in body.image else ""
    if "." not in host and ":" not in host and host != "localhost":
        host = "https://index.docker.io/v1/"
    entry = {"username": body.auth.username, "password": body.auth.password}
    return (msgspec.json.encode({"auths": {host: entry}}),)


def _removal(removal: Removal) -> dict[str, Any]:
    return {"untagged": removal.untagged, "deleted": removal.deleted, "reclaimed": removal.reclaimed}


def _jsonl(value: Any) -> bytes:
    return msgspec.json.encode(value) + b"\n"


async def _drained(path: Path) -> AsyncIterator[bytes]:
    try:
        with path.open("rb") as file:
            while chunk := await asyncio.to_thread(file.read, _CHUNK):
                yield chunk
    finally:
        path.unlink(missing_ok=True)
