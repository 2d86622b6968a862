"""Registries that ask who we are, cut connections, lie, redirect and stall."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiohttp import web

from pyrt.config.images import Images, Mirror, Registry
from pyrt.images import errors
from pyrt.images.service import ImageService
from pyrt.images.transport import Transport, Trust
from pyrt.images.types import LayerProgress, LayerState
from pyrt.store import Store
from rootfs import registry
from rootfs.layer import Layer
from rootfs.layout import OCI_MANIFEST, Layout
from rootfs.layout import Image as Built

BLOB = 3_000_000


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One image with one layer that takes a while."""
    made = Layout(tmp_path_factory.mktemp("layout"), "amd64")
    image = Built([Layer().file("random", secrets.token_bytes(BLOB))], {"Cmd": ["x"]}, "none")
    made.name(made.image(image), "docker.io/test/app:v1")
    made.close()
    return made.root


def settings(**changes: Any) -> Images:
    return Images(**{"auth_file": Path("/nonexistent/config.json"), **changes})


@asynccontextmanager
async def service(root: Path, config: Images) -> AsyncIterator[ImageService]:
    with Store(root) as store:
        running = ImageService(root, config, store)
        await running.start()
        try:
            yield running
        finally:
            await running.close()


def config_json(host: str, user: str, password: str) -> str:
    return json.dumps({"auths": {host: {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}}})


# --- who are you -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def private(layout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """docker-registry with Basic authentication (user: alice, password: wonder)."""
    directory, port = tmp_path_factory.mktemp("private"), registry.free_port()
    # htpasswd -nbBC 4 alice wonder
    (directory / "htpasswd").write_text("alice:$2b$04$abcdefghijklmnopqrstuuetGRvO6QNMBbbIoo5tpQkbPXg26U9Qu\n")
    auth = {"htpasswd": {"realm": "test", "path": str(directory / "htpasswd")}}
    registry.start(directory, port, {"auth": auth})
    try:
        registry.push(layout, f"http://127.0.0.1:{port}", "alice:wonder")
        yield f"127.0.0.1:{port}"
    finally:
        registry.stop(directory)


async def test_no_credentials(private: str, workdir: Path) -> None:
    async with service(workdir, settings()) as images:
        with pytest.raises(errors.UnauthorizedError) as caught:
            await images.pull(f"{private}/test/app:v1")
    assert str(caught.value).startswith(
        f'failed to pull image "{private}/test/app:v1": registry {private}: pull access denied, '
        "repository does not exist or may require authorization"
    )


async def test_credentials_of_every_origin(private: str, workdir: Path) -> None:
    name, good, bad = f"{private}/test/app:v1", config_json(private, "alice", "wonder"), config_json(private, "a", "b")
    (workdir / "config.json").write_text(good)
    (workdir / "password").write_text("wonder\n")
    named = {private: Registry(username="alice", password_file=workdir / "password")}
    for config in (settings(auth_file=workdir / "config.json"), settings(registries=named)):
        async with service(workdir / "store", config) as images:
            assert (await images.pull(name)).repo_tags
            await images.prune(all_unused=True)
    async with service(workdir / "store", settings()) as images:
        # One that is wrong does not hide one that is right.
        assert (await images.pull(name, secrets=[bad, good])).repo_tags
        await images.prune(all_unused=True)
        with pytest.raises(errors.UnauthorizedError):
            await images.pull(name, secrets=[bad])
        with pytest.raises(errors.UnauthorizedError, match="imagePullSecret 0"):
            await images.pull(name, secrets=["{"])


async def test_a_pull_without_secrets_does_not_join_one_with(private: str, workdir: Path) -> None:
    name, good = f"{private}/test/app:v1", config_json(private, "alice", "wonder")
    async with service(workdir, settings()) as images:
        allowed, refused = await asyncio.gather(
            images.pull(name, secrets=[good]), images.pull(name), return_exceptions=True
        )
    assert not isinstance(allowed, BaseException)
    assert isinstance(refused, errors.UnauthorizedError)


@dataclass
class TokenServer:
    """Signs tokens for alice, and remembers what it was asked."""

    key: Path
    certificate: Path
    asked: list[str] = field(default_factory=list)

    async def token(self, request: web.Request) -> web.Response:
        if request.method == "POST":
            form = {key: values[0] for key, values in parse_qs(await request.text()).items()}
            allowed, scope = form["refresh_token"] == "long-lived", form["scope"]
        else:
            sent = request.headers.get("Authorization", "").removeprefix("Basic ")
            allowed = base64.b64decode(sent) in (b"alice:wonder", b"")
            scope = request.query["scope"]
            if not sent:  # Anybody gets a token, but it allows nothing.
                scope = ""
        self.asked.append(f"{request.method} {scope}")
        if not allowed:
            return web.json_response({"details": "no"}, status=401)
        return web.json_response({"access_token": self._sign(scope), "expires_in": 60})

    def _sign(self, scope: str) -> str:
        def encoded(content: bytes) -> str:
            return base64.urlsafe_b64encode(content).decode().rstrip("=")

        der = ssl.PEM_cert_to_DER_cert(self.certificate.read_text())
        head = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der).decode()]}
        kind, _, rest = scope.partition(":")
        repository, _, actions = rest.rpartition(":")
        access = [{"type": kind, "name": repository, "actions": actions.split(",")}] if scope else []
        now = int(time.time())
        claims = {
            "iss": "test", "sub": "alice", "aud": "registry", "exp": now + 60, "nbf": now - 60, "iat": now,
            "jti": secrets.token_hex(4), "access": access,
        }  # fmt: skip
        text = ".".join(encoded(json.dumps(part).encode()) for part in (head, claims))
        command = ["openssl", "dgst", "-sha256", "-sign", str(self.key)]
        signature = subprocess.run(command, input=text.encode(), capture_output=True, check=True).stdout
        return f"{text}.{encoded(signature)}"


@asynccontextmanager
async def serve(*routes: web.RouteDef, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """An HTTP server on the loopback; its host and port."""
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        port = registry.free_port()
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
        yield f"127.0.0.1:{port}"
    finally:
        await runner.cleanup()


def make_certificate(directory: Path) -> tuple[Path, Path]:
    key, certificate = directory / "key.pem", directory / "cert.pem"
    command = (
        f"openssl req -x509 -newkey rsa:2048 -nodes -keyout {key} -out {certificate} -days 1 -subj /CN=test "
        "-addext subjectAltName=IP:127.0.0.1"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    return key, certificate


async def test_tokens(layout: Path, workdir: Path) -> None:
    key, certificate = make_certificate(workdir)
    server = TokenServer(key, certificate)
    async with serve(web.get("/token", server.token), web.post("/token", server.token)) as tokens:
        # A registry that anybody may push to, then the same with tokens.
        directory, port = workdir / "registry", registry.free_port()
        registry.start(directory, port)
        await asyncio.to_thread(registry.push, layout, f"http://127.0.0.1:{port}")
        registry.stop(directory)
        auth = {
            "realm": f"http://{tokens}/token", "service": "registry", "issuer": "test",
            "rootcertbundle": str(certificate),
        }  # fmt: skip
        registry.start(directory, port, {"auth": {"token": auth}})
        host, name = f"127.0.0.1:{port}", f"127.0.0.1:{port}/test/app:v1"
        try:
            async with service(workdir / "store", settings()) as images:
                await images.pull(name, secrets=[config_json(host, "alice", "wonder")])
                # One token for the manifest, the configuration and the layer.
                assert server.asked == ["GET repository:test/app:pull"]
                await images.prune(all_unused=True)
                refresh = json.dumps({"auths": {host: {"identitytoken": "long-lived"}}})
                await images.pull(name, secrets=[refresh])
                assert server.asked[1:] == ["POST repository:test/app:pull"]
                await images.prune(all_unused=True)
                with pytest.raises(errors.UnauthorizedError, match="pull access denied"):
                    await images.pull(name)
                with pytest.raises(errors.UnauthorizedError, match="failed to authorize: the token server"):
                    await images.pull(name, secrets=[config_json(host, "alice", "wrong")])
        finally:
            registry.stop(directory)


# --- a registry of our own, that misbehaves ---------------------------------------------------------------------------


@dataclass
class FakeRegistry:
    """Serves a layout as a registry would; ``blob`` may be replaced to misbehave."""

    layout: Path
    seen: list[web.BaseRequest] = field(default_factory=list)
    blob: Callable[[web.Request, bytes], Any] | None = None

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get(r"/v2/{name:.+}/manifests/{reference}", self._manifest),
            web.get(r"/v2/{name:.+}/blobs/{digest}", self._blob),
        ]

    def content(self, digest: str) -> bytes:
        return (self.layout / "blobs/sha256" / digest.removeprefix("sha256:")).read_bytes()

    @property
    def manifest_digest(self) -> str:
        return str(json.loads((self.layout / "index.json").read_bytes())["manifests"][0]["digest"])

    async def _manifest(self, request: web.Request) -> web.Response:
        self.seen.append(request)
        return web.Response(body=self.content(self.manifest_digest), content_type=OCI_MANIFEST)

    async def _blob(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        content = self.content(request.match_info["digest"])
        if self.blob is not None and len(content) >= BLOB:
            answer: web.StreamResponse = await self.blob(request, content)
            return answer
        return web.Response(body=content)


@asynccontextmanager
async def fake(layout: Path, blob: Callable[[web.Request, bytes], Any]) -> AsyncIterator[tuple[FakeRegistry, str]]:
    serving = FakeRegistry(layout, blob=blob)
    async with serve(*serving.routes()) as host:
        yield serving, host


def ranged(request: web.Request) -> int:
    return int(request.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))


async def cut(request: web.Request, content: bytes, *, after: int, ranges: bool) -> web.StreamResponse:
    """Serve from where was asked, and drop the connection after ``after`` bytes."""
    start = ranged(request) if ranges else 0
    head = {"Content-Length": str(len(content) - start)}
    if start:
        head["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
    response = web.StreamResponse(status=206 if start else 200, headers=head)
    await response.prepare(request)
    await response.write(content[start : start + after])
    if start + after < len(content):
        assert request.transport is not None
        request.transport.close()
    return response


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries without their pauses."""
    monkeypatch.setattr("pyrt.images.registry._FIRST_DELAY", 0.0)


@pytest.mark.parametrize("ranges", [True, False])
async def test_a_cut_transfer_goes_on_where_it_stopped(
    layout: Path, workdir: Path, ranges: bool, hurried: None
) -> None:
    served: list[int] = []

    async def blob(request: web.Request, content: bytes) -> web.StreamResponse:
        served.append(ranged(request))
        # A registry without ranges must get through the whole in one go at last.
        after = 1_000_000 if ranges or len(served) < 3 else len(content)
        return await cut(request, content, after=after, ranges=ranges)

    states: list[LayerProgress] = []
    async with fake(layout, blob) as (_, host), service(workdir, settings()) as images:
        image = await images.pull(f"{host}/test/app:v1", progress=states.append)
    assert (image.layers[0] / "random").stat().st_size == BLOB
    assert len(served) >= 3
    assert served[0] == 0
    assert 0 < served[1] <= 1_000_000
    assert LayerState.RETRYING in {one.state for one in states}
    assert states[-1].state is LayerState.DONE


async def test_a_connection_cut_between_us_and_a_real_registry(layout: Path, workdir: Path, hurried: None) -> None:
    directory, port = workdir / "registry", registry.free_port()
    await asyncio.to_thread(registry.start, directory, port)
    connections = 0

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", port)

        async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter, most: int) -> None:
            while most > 0 and (data := await source.read(min(most, 65536))):
                most -= len(data)
                target.write(data)
                await target.drain()

        # Each connection carries a megabyte and a bit of answers.
        done, pending = await asyncio.wait(
            [
                asyncio.create_task(copy(reader, upstream_writer, 1 << 40)),
                asyncio.create_task(copy(upstream_reader, writer, 1_100_000)),
            ],
            return_when=asyncio.FIRST_COMPLETED,
        )
        for task in pending:
            task.cancel()
        await asyncio.gather(*done, *pending, return_exceptions=True)
        upstream_writer.close()
        writer.transport.abort()

    try:
        await asyncio.to_thread(registry.push, layout, f"http://127.0.0.1:{port}")
        server = await asyncio.start_server(relay, "127.0.0.1", 0)
        async with server, service(workdir / "store", settings()) as images:
            host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
            image = await images.pull(f"{host}/test/app:v1")
        assert (image.layers[0] / "random").stat().st_size == BLOB
        assert connections >= 3
    finally:
        registry.stop(directory)


async def test_a_transfer_that_never_gets_on_is_given_up(layout: Path, workdir: Path, hurried: None) -> None:
    tries = 0

    async def blob(request: web.Request, content: bytes) -> web.StreamResponse:
        nonlocal tries
        tries += 1
        return await cut(request, content, after=1000 if tries == 1 else 0, ranges=True)

    async with fake(layout, blob) as (_, host), service(workdir, settings()) as images:
        with pytest.raises(errors.UnavailableError) as caught:
            await images.pull(f"{host}/test/app:v1")
        assert list((workdir / "layers").iterdir()) == []
        assert list((workdir / "images/ingest").iterdir()) == []
    assert tries == 6
    message = str(caught.value)
    assert message.startswith(f'failed to pull image "{host}/test/app:v1": registry {host}: gave up layer sha256:')
    assert message.endswith("connection cut")


async def test_a_stalled_transfer_counts_as_cut(layout: Path, workdir: Path, hurried: None) -> None:
    hanging = asyncio.Event()
    tries = 0

    async def blob(request: web.Request, content: bytes) -> web.StreamResponse:
        nonlocal tries
        tries += 1
        if tries > 1:
            return await cut(request, content, after=len(content), ranges=True)
        response = web.StreamResponse(headers={"Content-Length": str(len(content))})
        await response.prepare(request)
        await response.write(content[:5000])
        await hanging.wait()
        return response

    async with fake(layout, blob) as (_, host), service(workdir, settings(stall_timeout_seconds=1)) as images:
        assert (await images.pull(f"{host}/test/app:v1")).repo_tags
        hanging.set()
    assert tries == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content[:-1] + b"x",
        lambda content: b"\x1f\x8b" + content[2:],
        lambda content: content + b"x",
        lambda content: content[:700] + bytes(512) + content[1212:],
    ],
    ids=["last byte", "no gzip", "too long", "in the middle"],
)
async def test_content_that_is_not_what_its_digest_says(
    layout: Path, workdir: Path, change: Callable[[bytes], bytes], hurried: None
) -> None:
    async def blob(request: web.Request, content: bytes) -> web.StreamResponse:
        return web.Response(body=change(content))

    async with fake(layout, blob) as (_, host), service(workdir, settings()) as images:
        with pytest.raises(errors.DigestMismatchError) as caught:
            await images.pull(f"{host}/test/app:v1")
        assert images.list() == ()
        assert list((workdir / "layers").iterdir()) == []
        assert list((workdir / "images/ingest").iterdir()) == []
    assert "its content has the digest sha256:" in str(caught.value)
    assert f'failed to pull image "{host}/test/app:v1": registry {host}' in str(caught.value)


async def test_a_corrupt_blob_in_a_real_registry(layout: Path, workdir: Path) -> None:
    directory, port = workdir / "registry", registry.free_port()
    await asyncio.to_thread(registry.start, directory, port)
    try:
        await asyncio.to_thread(registry.push, layout, f"http://127.0.0.1:{port}")
        blobs = directory / "storage/docker/registry/v2/blobs/sha256"
        (big,) = [path for path in blobs.glob("*/*/data") if path.stat().st_size >= BLOB]
        with big.open("r+b") as file:
            file.seek(BLOB // 2)
            file.write(b"corrupt")
        async with service(workdir / "store", settings()) as images:
            with pytest.raises(errors.DigestMismatchError, match=f"layer sha256:{big.parent.name}"):
                await images.pull(f"127.0.0.1:{port}/test/app:v1")
    finally:
        registry.stop(directory)


async def test_a_manifest_that_is_not_what_was_asked_for(layout: Path, workdir: Path) -> None:
    async with serve(*FakeRegistry(layout).routes()) as host, service(workdir, settings()) as images:
        with pytest.raises(errors.DigestMismatchError, match=f"asked for manifest sha256:{'1' * 64}"):
            await images.pull(f"{host}/test/app@sha256:{'1' * 64}")


async def test_an_endless_manifest(workdir: Path) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" " * 65536)

    async with serve(web.get("/{any:.*}", endless)) as host, service(workdir, settings()) as images:
        with pytest.raises(errors.ImageError, match="a manifest larger than"):
            await images.pull(f"{host}/test/app:v1")


@pytest.mark.parametrize(("status", "text"), [(500, "unexpected status 500"), (429, "429 Too Many Requests")])
async def test_a_registry_that_is_unwell(workdir: Path, status: int, text: str) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"errors": [{"code": "X", "message": "own\x1b[31m words"}]}, status=status)

    async with serve(web.get("/{any:.*}", answer)) as host, service(workdir, settings()) as images:
        with pytest.raises(errors.UnavailableError) as caught:
            await images.pull(f"{host}/test/app:v1")
    assert text in str(caught.value)
    assert "own?[31m words" in str(caught.value)


async def test_credentials_do_not_follow_a_redirect_to_another_host(layout: Path, workdir: Path) -> None:
    storage = FakeRegistry(layout)
    async with serve(*storage.routes()) as behind:

        async def blob(request: web.Request, _: bytes) -> web.Response:
            assert request.headers["Authorization"].startswith("Basic ")
            raise web.HTTPTemporaryRedirect(f"http://{behind}{request.path}")

        async with fake(layout, blob) as (front, host):
            manifest = front._manifest

            async def guarded(request: web.Request) -> web.Response:
                if "Authorization" not in request.headers:
                    return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="x"'})
                return await manifest(request)

            front._manifest = guarded  # type: ignore[method-assign]
            async with serve(*front.routes()) as host, service(workdir, settings()) as images:
                image = await images.pull(f"{host}/test/app:v1", secrets=[config_json(host, "alice", "wonder")])
    assert image.repo_tags
    assert storage.seen
    assert all("Authorization" not in request.headers for request in storage.seen)


async def test_a_refresh_token_does_not_follow_a_redirect_to_another_host() -> None:
    seen: list[str] = []

    async def elsewhere(request: web.Request) -> web.Response:
        seen.append(await request.text())
        return web.Response(text="{}")

    async with serve(web.post("/token", elsewhere)) as behind:

        async def token(_: web.Request) -> web.Response:
            raise web.HTTPTemporaryRedirect(f"http://{behind}/token")

        async with serve(web.post("/token", token)) as front:
            transport = Transport(Trust(insecure=True), subject="registry", stall_timeout=30)
            try:
                with pytest.raises(errors.UnavailableError, match="refused to follow its redirect"):
                    await transport.request("POST", f"http://{front}/token", form={"refresh_token": "x"}, limit=1000)
            finally:
                await transport.close()
    assert seen == []


async def test_tls(layout: Path, workdir: Path) -> None:
    key, certificate = make_certificate(workdir)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    async with serve(*FakeRegistry(layout).routes(), context=context) as host:

        def mirrored(**changes: Any) -> Images:
            return settings(mirrors={"docker.io": Mirror(url=f"https://{host}", **changes)})

        async with service(workdir / "a", mirrored()) as images:
            with pytest.raises(errors.UnavailableError, match="certificate not trusted"):
                await images.pull("test/app:v1")
        for config in (mirrored(ca_file=certificate), mirrored(insecure=True)):
            async with service(workdir / "a", config) as images:
                assert (await images.pull("test/app:v1")).repo_tags
                await images.prune(all_unused=True)
        async with service(workdir / "a", mirrored(ca_file=workdir / "absent")) as images:
            with pytest.raises(errors.UnavailableError, match=r"read certificates from .*absent"):
                await images.pull("test/app:v1")


async def test_a_mirror_below_a_path(layout: Path, workdir: Path) -> None:
    serving = FakeRegistry(layout)
    async with serve(*serving.routes()) as host:
        mirrors = {"docker.io": Mirror(url=f"http://{host}/proxy/hub")}
        async with service(workdir, settings(mirrors=mirrors)) as images:
            assert (await images.pull("busybox")).repo_tags == ("docker.io/library/busybox:latest",)
    assert serving.seen[0].path == "/v2/proxy/hub/library/busybox/manifests/latest"


async def test_a_mirror_does_not_get_the_registrys_password(layout: Path, workdir: Path) -> None:
    serving = FakeRegistry(layout)

    async def challenge(request: web.Request) -> web.Response:
        serving.seen.append(request)
        return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="x"'})

    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(serve(web.get("/{any:.*}", challenge)))
        mirrors = {"docker.io": Mirror(url=f"http://{host}")}
        images = await stack.enter_async_context(service(workdir, settings(mirrors=mirrors)))
        with pytest.raises(errors.UnauthorizedError):
            await images.pull("busybox", secrets=[config_json("docker.io", "alice", "wonder")])
    assert all("Authorization" not in request.headers for request in serving.seen)
