"""Requests for streams over real connections: what is upgraded, and how a connection ends."""

import asyncio
import os

import msgspec
import pytest
from aiohttp import web

from pyrt.errors import PyrtError
from pyrt.streams import outcomes
from pyrt.streams.errors import UpgradeRefusedError
from pyrt.streams.idle import IdleWatch
from pyrt.streams.spdy.session import Accepted, Finished, PeerLeaves, Received, Session
from pyrt.streams.upgrades import Conversation, Refused, Timeouts, Wanted, forward_ports, remote_command

SPDY = "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: "


class Shell:
    """A session that is pipes; the test is the process."""

    def __init__(self):
        self.inside_stdin, self.stdin = os.pipe2(os.O_NONBLOCK)
        self.stdout, self.inside_stdout = os.pipe2(os.O_NONBLOCK)
        self.stderr = None
        self.ended = asyncio.get_running_loop().create_future()
        self.closed = asyncio.Event()

    def resize(self, rows, columns):
        pass

    def close_stdin(self):
        if self.stdin is not None:
            os.close(self.stdin)
            self.stdin = None

    async def wait(self):
        return await asyncio.shield(self.ended)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        self.close_stdin()
        for fd in (self.stdout, self.inside_stdout, self.inside_stdin):
            os.close(fd)
        self.closed.set()


class Door:
    """A server on the loopback interface."""

    def __init__(self):
        self.timeouts = Timeouts(idle=0, creation=10)
        self.shell = None
        self.fails = None
        self.opened = asyncio.Event()
        self.returned = asyncio.Event()

    async def handle(self, request):
        try:
            if request.path == "/ports":
                return await forward_ports(request, [], self._connect, self.timeouts)
            conversation = Conversation(
                self._begin, outcomes.exit_status, lambda e: Refused(outcomes.failed(str(e)), str(e))
            )
            return await remote_command(request, Wanted(True, True, False, False), conversation, self.timeouts)
        except UpgradeRefusedError as error:
            return web.Response(status=error.code, text=str(error), headers=list(error.headers))
        finally:
            self.returned.set()

    async def _begin(self):
        if self.fails is not None:
            raise self.fails
        self.shell = Shell()
        self.opened.set()
        return self.shell

    async def _connect(self, port):
        raise PyrtError("nobody listens")


@pytest.fixture
async def door():
    door = Door()
    http = web.Server(door.handle, handler_cancellation=True, access_log=None)
    listener = await asyncio.get_running_loop().create_server(http, "127.0.0.1", 0)
    door.http, door.port = http, listener.sockets[0].getsockname()[1]
    yield door
    listener.close()
    await http.shutdown(1)


class Peer:
    """A SPDY client on the loop."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.session = Session(server=False)
        self.events = []

    def open(self, kind):
        number = self.session.open({"streamtype": kind})
        self.writer.write(self.session.outgoing())
        return number

    async def until(self, event):
        async with asyncio.timeout(10):
            while not (found := [one for one in self.events if isinstance(one, event)]):
                data = await self.reader.read(65536)
                assert data, "the server has gone"
                self.events += self.session.receive(data)
        return found[-1]


async def dial(door, headers=SPDY + "v4.channel.k8s.io", path="/", method="POST"):
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n".encode())
    async with asyncio.timeout(10):
        return reader, writer, (await reader.readuntil(b"\r\n\r\n")).decode()


async def shell(door):
    reader, writer, head = await dial(door)
    assert head.startswith("HTTP/1.1 101 ")
    peer = Peer(reader, writer)
    streams = {kind: peer.open(kind) for kind in ("error", "stdin", "stdout")}
    async with asyncio.timeout(10):
        await door.opened.wait()
    return peer, streams


async def nothing_left(door):
    """Wait until the handler has returned and the connection is gone."""
    async with asyncio.timeout(10):
        await door.returned.wait()
        while door.http.connections:  # noqa: ASYNC110 - aiohttp has no event for it
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("headers", "code", "why"),
    [
        ("X: y", 400, "missing upgrade headers"),
        ("Connection: Upgrade\r\nUpgrade: h2c", 400, "missing upgrade headers"),
        ("Upgrade: SPDY/3.1", 400, "missing upgrade headers"),
        (SPDY, 400, "names no protocol"),
        (SPDY + "v5.channel.k8s.io", 403, "server accepts"),
        (SPDY + "v4.channel.k8s.io\r\nContent-Length: 3", 400, "with a body"),
        ("Connection: keep-alive, upgrade\r\nUpgrade: WebSocket\r\nX: y", 400, "begins with GET"),
    ],
)
async def test_refusals(door, headers, code, why):
    reader, writer, head = await dial(door, headers)
    assert head.startswith(f"HTTP/1.1 {code} ")
    assert why in (await reader.read(200)).decode()
    writer.close()


async def test_a_websocket_without_a_key_is_refused(door):
    _, writer, head = await dial(door, "Connection: Upgrade\r\nUpgrade: websocket", method="GET")
    assert head.startswith("HTTP/1.1 400 ")
    writer.close()


async def test_a_command_and_its_end(door):
    peer, streams = await shell(door)
    os.write(door.shell.inside_stdout, b"x" * 60000)
    peer.session.send(streams["stdin"], b"nobody reads this")
    peer.writer.write(peer.session.outgoing())
    door.shell.ended.set_result(0)
    await peer.until(PeerLeaves)
    assert sum(len(e.data) for e in peer.events if isinstance(e, Received) and e.stream == streams["stdout"]) == 60000
    assert {e.stream for e in peer.events if isinstance(e, Finished)} == set(streams.values())
    assert await peer.reader.read() == b""  # half closed; the server waits for us
    assert not door.returned.is_set()
    peer.writer.write(b"some more that nobody reads")
    peer.writer.close()
    await nothing_left(door)


async def test_a_session_that_cannot_begin(door):
    door.fails = PyrtError("no such command")
    reader, writer, _ = await dial(door)
    peer = Peer(reader, writer)
    error, *_ = [peer.open(kind) for kind in ("error", "stdin", "stdout")]
    await peer.until(PeerLeaves)
    status = b"".join(e.data for e in peer.events if isinstance(e, Received) and e.stream == error)
    assert msgspec.json.decode(status)["message"] == "Internal error occurred: no such command"
    writer.close()


async def test_a_sandbox_that_dies(door):
    peer, streams = await shell(door)
    door.shell.ended.set_exception(PyrtError("the pod process has gone"))
    await peer.until(PeerLeaves)
    status = b"".join(e.data for e in peer.events if isinstance(e, Received) and e.stream == streams["error"])
    assert msgspec.json.decode(status)["message"] == "Internal error occurred: the pod process has gone"
    peer.writer.close()


async def test_a_client_that_goes_away(door):
    peer, _ = await shell(door)
    peer.writer.transport.abort()
    await nothing_left(door)
    assert door.shell.closed.is_set()


async def test_a_client_that_says_nothing_for_too_long(door):
    door.timeouts = Timeouts(idle=0.05, creation=10)
    peer, _ = await shell(door)
    await peer.until(Accepted)
    async with asyncio.timeout(10):
        await door.shell.closed.wait()
    peer.writer.close()
    await nothing_left(door)


async def test_a_client_that_makes_no_streams(door):
    door.timeouts = Timeouts(idle=0, creation=0.05)
    reader, writer, _ = await dial(door)
    peer = Peer(reader, writer)
    peer.open("error")
    await peer.until(PeerLeaves)
    assert door.shell is None
    writer.close()


async def test_the_server_ends(door):
    peer, _ = await shell(door)
    async with asyncio.timeout(10):
        await door.http.shutdown(0.01)
        await door.shell.closed.wait()
        while await peer.reader.read(1000):
            pass
    peer.writer.close()


async def test_ports(door):
    reader, writer, head = await dial(door, SPDY + "portforward.k8s.io", "/ports")
    assert "X-Stream-Protocol-Version: portforward.k8s.io" in head
    peer = Peer(reader, writer)
    for kind in ("error", "data"):
        peer.session.open({"streamtype": kind, "port": "80", "requestid": "0"})
    writer.write(peer.session.outgoing())
    assert (await peer.until(Received)).data == b"error forwarding port 80 to pod: nobody listens"
    writer.close()
    async with asyncio.timeout(10):
        await door.returned.wait()


async def test_an_idle_watch_is_put_off():
    fired = asyncio.Event()
    watch = IdleWatch(0.05, fired.set)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    loop.call_later(0.04, watch.touch)
    async with asyncio.timeout(10):
        await fired.wait()
    assert loop.time() - begun >= 0.09
    watch.close()
    never = IdleWatch(0, fired.set)
    never.touch()
    never.close()
