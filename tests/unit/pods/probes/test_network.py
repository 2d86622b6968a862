"""httpGet, tcpSocket and grpc against real sockets on the loopback, servers that misbehave included."""

import asyncio
import contextlib
import socket
import ssl
import struct
import subprocess

import pytest
from hpack import Encoder
from hypothesis import given
from hypothesis import strategies as st

from pyrt.kube.container import Container
from pyrt.kube.probes import HTTPGetAction
from pyrt.pods.probes.grpc import GrpcCheck, Reply, health_of
from pyrt.pods.probes.http import BODY_MAX, HttpCheck
from pyrt.pods.probes.poller import Poller
from pyrt.pods.probes.report import Outcome
from pyrt.pods.probes.request import make_request
from pyrt.pods.probes.tcp import TcpCheck

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@contextlib.asynccontextmanager
async def serving(*answers, tls=None, family=socket.AF_INET):
    """A server that gives one answer a connection, the last for ever; bytes, or a list of pieces, or None: silence."""
    asked, left = [], list(answers)

    async def serve(reader, writer):
        answer = left.pop(0) if len(left) > 1 else left[0]
        with contextlib.suppress(ConnectionError):
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            if answer is None:
                await reader.read()
            for piece in answer if isinstance(answer, list) else [answer or b""]:
                writer.write(piece)
                await writer.drain()
            writer.close()
            await writer.wait_closed()

    host = "127.0.0.1" if family == socket.AF_INET else "::1"
    server = await asyncio.start_server(serve, host, 0, ssl=tls)
    try:
        yield host, server.sockets[0].getsockname()[1], asked
    finally:
        server.close()


async def ask(make, patience=5.0):
    poller = Poller()
    future = asyncio.get_running_loop().create_future()
    attempt = make(poller).begin(future.set_result)
    try:
        async with asyncio.timeout(patience):
            return await asyncio.shield(future)
    except TimeoutError:
        return attempt.expire()
    finally:
        attempt.cancel()
        poller.close()


async def get(host, port, path="/", scheme="HTTP", **more):
    action = HTTPGetAction(path=path, port=port, scheme=scheme)
    request = make_request(action, Container(name="c"), host, "probe")
    return await ask(lambda poller: HttpCheck(poller, request), **more)


@pytest.mark.parametrize(
    ("answer", "outcome", "text"),
    [
        (OK, Outcome.SUCCESS, ""),
        ([OK[:9], OK[9:20], OK[20:]], Outcome.SUCCESS, ""),
        (b"HTTP/1.0 204 No Content\r\n\r\n", Outcome.SUCCESS, ""),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", Outcome.SUCCESS, ""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", Outcome.SUCCESS, ""),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, Outcome.SUCCESS, ""),
        (
            b"HTTP/1.1 399 Odd\r\nContent-Length: 0\r\n\r\n",
            Outcome.WARNING,
            "Probe terminated redirects, Response body: ",
        ),
        (
            b"HTTP/1.1 302 F\r\nContent-Length: 1\r\n\r\nx",
            Outcome.WARNING,
            "Probe terminated redirects, Response body: x",
        ),
        (b"HTTP/1.1 500 E\r\nContent-Length: 0\r\n\r\n", Outcome.FAILURE, "HTTP probe failed with statuscode: 500"),
        (b"HTTP/1.1 404 N\r\nContent-Length: 0\r\n\r\n", Outcome.FAILURE, "HTTP probe failed with statuscode: 404"),
        (b"", Outcome.FAILURE, 'Get "http://H/": EOF'),
        (
            b"SSH-2.0-x\r\n",
            Outcome.FAILURE,
            'Get "http://H/": net/http: HTTP/1.x transport connection broken: malformed HTTP response "SSH-2.0-x"',
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut", Outcome.ERROR, "unexpected EOF"),
    ],
)
def test_answers(answer, outcome, text):
    async def run():
        async with serving(answer) as (host, port, _):
            return await get(host, port), f"{host}:{port}"

    report, where = asyncio.run(run())
    assert (report.outcome, report.text) == (outcome, text.replace("H", where, 1) if "http://H" in text else text)


def test_an_endless_answer_is_read_to_10_kib():
    endless = [b"HTTP/1.1 200 OK\r\n\r\n"] + [b"x" * 4096] * (BODY_MAX // 4096 + 2)

    async def run():
        async with serving(endless) as (host, port, _):
            return await get(host, port)

    assert asyncio.run(run()).outcome is Outcome.SUCCESS


def test_endless_headers_are_not_read():
    async def run():
        async with serving([b"HTTP/1.1 200 OK\r\n"] + [b"X-A: " + b"y" * 1000 + b"\r\n"] * 200) as (host, port, _):
            return await get(host, port)

    assert "response headers exceeded" in asyncio.run(run()).text


def test_an_endless_body_of_almost_nothing():
    chunk = b"1;" + b"x" * 2000 + b"\r\na\r\n"

    async def run():
        async with serving([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"] + [chunk] * 1000) as (
            host,
            port,
            _,
        ):
            return await get(host, port)

    assert asyncio.run(run()).outcome is Outcome.SUCCESS


@pytest.mark.parametrize("location", [b"http://[bad", b"\xff\xfe", b"http://elsewhere.example/"])
def test_a_redirect_to_nowhere_is_a_warning(location):
    answer = b"HTTP/1.1 302 F\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n"

    async def run():
        async with serving(answer, OK) as (host, port, _):
            return await get(host, port)

    assert asyncio.run(run()).outcome in (Outcome.WARNING, Outcome.SUCCESS)


def test_redirects_are_followed_ten_times():
    hop = b"HTTP/1.1 302 F\r\nLocation: /next\r\nContent-Length: 0\r\n\r\n"

    async def run():
        async with serving(*[hop] * 9, OK) as (host, port, asked):
            good = await get(host, port)
        async with serving(hop) as (host, port, asked):
            bad = await get(host, port)
            return good, bad, len(asked)

    good, bad, asked = asyncio.run(run())
    assert good.outcome is Outcome.SUCCESS
    assert bad.text.endswith("stopped after 10 redirects")
    assert asked == 10


def test_time_is_over_at_any_stage():
    async def run():
        async with serving(None) as (host, port, _):
            silent = await get(host, port, patience=0.05)
        async with serving([b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nx", b""]) as (host, port, _):
            pass
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            port = full.getsockname()[1]
            fillers = []
            for _ in range(4):
                fillers.append(socket.socket())
                fillers[-1].setblocking(False)
                fillers[-1].connect_ex(("127.0.0.1", port))
            unanswered = await get("127.0.0.1", port, patience=0.05)
            for filler in fillers:
                filler.close()
        return silent, unanswered

    silent, unanswered = asyncio.run(run())
    assert "context deadline exceeded (Client.Timeout exceeded while awaiting headers)" in silent.text
    assert "i/o timeout (Client.Timeout exceeded while awaiting headers)" in unanswered.text


def test_https_without_verification(tmp_path):
    key, certificate = str(tmp_path / "key"), str(tmp_path / "crt")
    made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=somebody.else", "-days", "1"]
    subprocess.run(["openssl", *made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def run():
        async with serving([OK[:10], OK[10:]], tls=context) as (host, port, _):
            good, plain = await get(host, port, scheme="HTTPS"), await get(host, port)
        async with serving(OK) as (host, port, _):
            return good, plain, await get(host, port, scheme="HTTPS", patience=0.3)

    good, plain, wrong = asyncio.run(run())
    assert good.outcome is Outcome.SUCCESS
    assert plain.outcome is Outcome.FAILURE
    assert wrong.outcome is Outcome.FAILURE


def test_nobody_there():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        tcp = asyncio.run(ask(lambda poller: TcpCheck(poller, "127.0.0.1", port)))
        http = asyncio.run(get("127.0.0.1", port))
        grpc = asyncio.run(ask(lambda poller: GrpcCheck(poller, "127.0.0.1", port, "", 1)))
    assert tcp.text == f"dial tcp 127.0.0.1:{port}: connect: connection refused"
    assert http.text == f'Get "http://127.0.0.1:{port}/": dial tcp 127.0.0.1:{port}: connect: connection refused'
    assert grpc.text.startswith(f'error: failed to connect service at "127.0.0.1:{port}"')


def test_ipv6_and_names():
    async def run():
        async with serving(OK, family=socket.AF_INET6) as (host, port, _):
            six = await ask(lambda poller: TcpCheck(poller, host, port))
        async with serving(OK) as (_, port, _):
            named = await get("localhost", port)  # its other address may have no listener
        return six, named, await get("no-such-name.invalid", 80), await get("a" * 70, 80)

    six, named, nobody, no_name = asyncio.run(run())
    assert "no such host" in no_name.text
    assert six.outcome is named.outcome is Outcome.SUCCESS
    assert "no such host" in nobody.text


# --- gRPC -------------------------------------------------------------------------------------------------------------


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def reply(status=1, code="0", message=None):
    encoder = Encoder()
    body = b"\x08" + bytes((status,)) if status else b""
    trailers = [("grpc-status", code)] + ([("grpc-message", message)] if message else [])
    return (
        frame(4, 0, 0)
        + frame(1, 4, 1, encoder.encode([(":status", "200"), ("content-type", "application/grpc")]))
        + frame(0, 0, 1, struct.pack(">BI", 0, len(body)) + body)
        + frame(1, 5, 1, encoder.encode(trailers))
    )


def read(data, step=None):
    found = Reply()
    for at in range(0, len(data), step or len(data)):
        found.feed(data[at : at + (step or len(data))])
    return found.finished


@pytest.mark.parametrize("step", [None, 1, 7])
def test_a_grpc_answer_in_any_pieces(step):
    assert read(reply(1), step).health == 1
    assert read(reply(2), step).health == 2
    assert read(reply(0), step).health == 0
    assert read(reply(1, "5", "no%20such"), step).message == "no such"


def test_frames_that_ask_for_an_answer():
    found = Reply()
    assert found.feed(frame(4, 0, 0)) == frame(4, 1, 0)
    assert found.feed(frame(6, 0, 0, b"12345678")) == frame(6, 1, 0, b"12345678")
    assert found.feed(frame(4, 1, 0) + frame(8, 0, 0, b"\0\0\0\1")) == b""


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
        frame(7, 0, 0, b"\0" * 8),
        frame(3, 0, 1, b"\0\0\0\x08"),
        frame(1, 0, 1, b"\x88") + frame(0, 0, 1),
        frame(1, 4, 1, b"\xff" * 50),
        b"\0" * 70000,
    ],
)
def test_what_is_no_answer_ends_the_call(data):
    finished = read(data)
    assert finished is not None
    assert finished.code != 0


@given(st.binary(max_size=300))
def test_a_hostile_server_is_only_unhealthy(data):
    found = Reply()
    found.feed(data)
    found = Reply()
    found.feed(frame(4, 0, 0) + frame(1, 4, 1, data[:100]) + frame(0, 1, 1, data[100:]))
    assert found.finished is not None
    health_of(data)
