"""A registry as a source: the pulling half of the OCI distribution-spec 1.1."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import random
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import TYPE_CHECKING

from pyrt.ids import Digest
from pyrt.images.auth import Authorizer
from pyrt.images.credentials import Credential
from pyrt.images.errors import DigestMismatchError, ImageError, NotFoundError, UnauthorizedError, UnavailableError
from pyrt.images.manifest import ACCEPT, MAX_MANIFEST, Descriptor
from pyrt.images.reference import DEFAULT_DOMAIN, Reference
from pyrt.images.source import Fetched
from pyrt.images.transport import Answer, Transport, Trust

if TYPE_CHECKING:
    import aiohttp

RETRIES = 5
"""Times in a row that a transfer may be cut without a byte in between."""
_FIRST_DELAY = 0.1
_MAX_DELAY = 5.0
_MAX_ERROR_TEXT = 64 << 10


class RegistrySource:
    """One registry, for one pull: it keeps that pull's identity and connections."""

    def __init__(
        self,
        domain: str,
        *,
        url: str = "",
        trust: Trust | None = None,
        credentials: Sequence[Credential] = (),
        stall_timeout: float = 60.0,
        retries: int = RETRIES,
    ) -> None:
        """``domain`` is the registry of the image's name; ``url`` is that of a mirror to ask instead."""
        trust = trust or Trust()
        self._domain = domain
        self._mirrored = bool(url)
        if url:
            bases = [url.rstrip("/")]
        else:
            host = "registry-1.docker.io" if domain == DEFAULT_DOMAIN else domain
            bases = [f"https://{host}", *([f"http://{host}"] if trust.insecure else [])]
        self._bases = bases
        self._transport = Transport(trust, subject=self.where, stall_timeout=stall_timeout)
        self._credentials: list[Credential | None] = [*credentials] or [None]
        self._authorizers: dict[tuple[str, str, Credential | None], Authorizer] = {}
        self._retries = retries

    @property
    def where(self) -> str:
        """``registry 127.0.0.1:5000``, and for whom it stands in."""
        if self._mirrored:
            return f"registry {re.sub(r'^https?://', '', self._bases[0])} (mirror of {self._domain})"
        return f"registry {self._domain}"

    async def close(self) -> None:
        """Close every connection."""
        await self._transport.close()

    async def manifest(self, reference: Reference) -> Fetched:
        """Fetch a manifest or index."""
        wanted = reference.digest or reference.tag
        answer = await self._get(reference, f"manifests/{wanted}", {"Accept": ACCEPT}, MAX_MANIFEST)
        digest = Digest("sha256:" + hashlib.sha256(answer.content).hexdigest())
        if reference.digest and digest != reference.digest:
            raise DigestMismatchError(f"asked for manifest {reference.digest}, received {digest}", subject=self.where)
        return Fetched(answer.content, answer.headers.get("Content-Type", ""), digest)

    async def blob(
        self, reference: Reference, descriptor: Descriptor, retrying: Callable[[], None] = lambda: None
    ) -> AsyncGenerator[bytes, None]:
        """Fetch a blob. A cut transfer is taken up where it stopped (RFC 9110, 14.2), within bounds."""
        done, failures = 0, 0
        while True:
            before = done
            try:
                async for chunk in self._blob_from(reference, descriptor, done):
                    done += len(chunk)
                    yield chunk
                if done >= descriptor.size:
                    return
                raise UnavailableError("connection cut", subject=self.where)
            except UnavailableError as error:
                failures = 1 if done > before else failures + 1
                if failures > self._retries:
                    raise UnavailableError(
                        f"gave up layer {descriptor.digest} after {done} of {descriptor.size} bytes: {error.message}",
                        subject=self.where,
                    ) from error
            retrying()
            # Doubled, and spread so that the layers of one pull do not come back together.
            await asyncio.sleep(min(_FIRST_DELAY * 2**failures, _MAX_DELAY) * random.uniform(0.5, 1))

    async def _blob_from(self, reference: Reference, descriptor: Descriptor, start: int) -> AsyncGenerator[bytes, None]:
        headers = {"Range": f"bytes={start}-"} if start else {}
        async with self._request(reference, f"blobs/{descriptor.digest}", headers) as response:
            skip = 0
            if start and response.status == 206:
                given = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
                if not given or int(given[1]) != start:
                    raise UnavailableError("it answered another range than asked", subject=self.where)
            elif response.status == 200:
                skip = start  # It does not do ranges: read over what is here already.
            else:
                raise self._refused(await self._whole(response))
            left = descriptor.size - start
            async for chunk in self._transport.chunks(response):
                if skip:
                    dropped = min(skip, len(chunk))
                    skip, chunk = skip - dropped, chunk[dropped:]
                if chunk:
                    # One byte too many is enough to show that the size is wrong.
                    yield chunk[: left + 1]
                    left -= len(chunk)
                    if left < 0:
                        return

    async def _whole(self, response: aiohttp.ClientResponse) -> Answer:
        content = bytearray()
        async for chunk in self._transport.chunks(response):
            content += chunk
            if len(content) > _MAX_ERROR_TEXT:
                break
        return Answer(response.status, response.reason or "", response.headers, bytes(content[:_MAX_ERROR_TEXT]))

    async def _get(self, reference: Reference, what: str, headers: dict[str, str], limit: int) -> Answer:
        async with self._request(reference, what, headers) as response:
            if response.status != 200:
                raise self._refused(await self._whole(response))
            content = bytearray()
            async for chunk in self._transport.chunks(response):
                content += chunk
                if len(content) > limit:
                    raise UnavailableError(f"a manifest larger than {limit} bytes", subject=self.where)
            return Answer(response.status, response.reason or "", response.headers, bytes(content))

    @contextlib.asynccontextmanager
    async def _request(
        self, reference: Reference, what: str, headers: dict[str, str]
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """Ask as each identity in turn; the one that is let in stays the first."""
        refusal: ImageError | None = None
        for credential in list(self._credentials):
            try:
                async with self._request_as(credential, reference, what, headers) as response:
                    if response.status in (401, 403):
                        refusal = self._refused(await self._whole(response))
                        continue
                    self._credentials = [credential]
                    yield response
                    return
            except UnauthorizedError as error:
                refusal = error
        assert refusal is not None
        raise refusal

    @contextlib.asynccontextmanager
    async def _request_as(
        self, credential: Credential | None, reference: Reference, what: str, headers: dict[str, str]
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        base = self._bases[0]
        async with contextlib.AsyncExitStack() as stack:
            url, authorizer = self._address(base, credential, reference, what)
            try:
                response = await stack.enter_async_context(self._authorized(authorizer, url, headers))
            except UnavailableError:
                if len(self._bases) == 1:
                    raise
                # An insecure registry that does not speak TLS.
                url, authorizer = self._address(self._bases[1], credential, reference, what)
                response = await stack.enter_async_context(self._authorized(authorizer, url, headers))
                base = self._bases[1]
            self._bases = [base]
            if response.status == 401 and await authorizer.challenged(response.headers.get("WWW-Authenticate", "")):
                response.release()
                response = await stack.enter_async_context(self._authorized(authorizer, url, headers))
            yield response

    def _address(
        self, base: str, credential: Credential | None, reference: Reference, what: str
    ) -> tuple[str, Authorizer]:
        key = (base, reference.path, credential)
        if key not in self._authorizers:
            scope = f"repository:{reference.path}:pull"
            self._authorizers[key] = Authorizer(self._transport, base, scope, credential, self.where)
        host, slash, prefix = base.partition("://")[2].partition("/")
        scheme = base.partition("://")[0]
        # A mirror with a path (https://mirror.example/prefix) has its repositories below it.
        url = f"{scheme}://{host}/v2/{prefix}{slash}{reference.path}/{what}"
        return url, self._authorizers[key]

    @contextlib.asynccontextmanager
    async def _authorized(
        self, authorizer: Authorizer, url: str, headers: dict[str, str]
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        authorization = await authorizer.header()
        sent = {**headers, "Authorization": authorization} if authorization else headers
        async with self._transport.stream("GET", url, headers=sent) as response:
            yield response

    def _refused(self, answer: Answer) -> ImageError:
        """Containerd's words for what a registry answers, with the registry's own at the end."""
        said = _registry_text(answer.content)
        if answer.status in (401, 403):
            return UnauthorizedError(
                "pull access denied, repository does not exist or may require authorization" + said, subject=self.where
            )
        if answer.status == 404:
            return NotFoundError("not found" + said, subject=self.where)
        if answer.status == 429:
            return UnavailableError("429 Too Many Requests" + said, subject=self.where)
        return UnavailableError(f"unexpected status {answer.status} {answer.reason}{said}", subject=self.where)


def _registry_text(content: bytes) -> str:
    """The messages of a distribution-spec error body, cleaned for a terminal."""
    try:
        errors = json.loads(content)["errors"]
        texts = [f"{one.get('code', '')} {one.get('message', '')}".strip() for one in errors]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ""
    text = "; ".join(filter(None, texts))[:300]
    return ": " + re.sub(r"[^\x20-\x7e]", "?", text) if text else ""
