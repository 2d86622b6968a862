"""Channel protocols, and the two bridges over them, with pipes and sockets in place of processes."""

import asyncio
import base64
import os
import socket

import msgspec
import pytest

from pyrt.errors import PyrtError
from pyrt.streams import portforward, remotecommand
from pyrt.streams.channels import PORT_FORWARD, REMOTE_COMMAND, choose
from pyrt.streams.outcomes import exit_status
from pyrt.streams.websocket import WebSocketClient

V5 = REMOTE_COMMAND["v5.channel.k8s.io"]
V4 = REMOTE_COMMAND["v4.channel.k8s.io"]


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (["v5.channel.k8s.io", "v4.channel.k8s.io"], "v5.channel.k8s.io"),
        (["unknown", "v4.channel.k8s.io"], "v4.channel.k8s.io"),
        ([], "channel.k8s.io"),
    ],
)
def test_the_first_known_offer_is_taken(offered, chosen):
    assert choose(offered, REMOTE_COMMAND).name == chosen


def test_unknown_offers_are_refused():
    assert choose(["SPDY/3.1"], REMOTE_COMMAND) is None
    assert choose(["channel.k8s.io"], PORT_FORWARD) is None


def test_a_client_that_offers_nothing_gets_bytes():
    assert choose([], PORT_FORWARD) is V4


def test_base64():
    protocol = REMOTE_COMMAND["v4.base64.channel.k8s.io"]
    assert protocol.encode(1, b"hi") == "1" + base64.b64encode(b"hi").decode()
    assert protocol.decode("0aGk=") == (0, b"hi")
    for nonsense in ("", "x", "0!!!!", "9"):
        assert protocol.decode(nonsense) in (None, (9, b""))


class Wire:
    """The client's end of a WebSocket that is two queues."""

    def __init__(self):
        self.to_server = asyncio.Queue()
        self.sent = []
        self.changed = asyncio.Event()
        self.taking = asyncio.Event()
        self.taking.set()

    async def send(self, message):
        await self.taking.wait()
        self.sent.append(message)
        self.changed.set()

    async def receive(self):
        return await self.to_server.get()

    def bytes(self, channel):
        return b"".join(m[1:] for m in self.sent if m[0] == channel)

    async def until(self, condition):
        async with asyncio.timeout(10):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


class Pipes:
    """A process that is three pipes; the test holds the other ends."""

    def __init__(self):
        stdin_read, self.stdin = os.pipe2(os.O_NONBLOCK)
        self.stdout, stdout_write = os.pipe2(os.O_NONBLOCK)
        self.stderr, stderr_write = os.pipe2(os.O_NONBLOCK)
        self.inside = {"stdin": stdin_read, "stdout": stdout_write, "stderr": stderr_write}
        self.ended = asyncio.get_running_loop().create_future()
        self.size = None

    def resize(self, rows, columns):
        self.size = (rows, columns)

    def close_stdin(self):
        if self.stdin is not None:
            os.close(self.stdin)
            self.stdin = None

    async def wait(self):
        return await asyncio.shield(self.ended)

    def end(self, code):
        for fd in self.inside.values():
            os.close(fd)
        self.inside = {}
        self.ended.set_result(code)

    def close(self):
        for fd in (self.stdin, self.stdout, self.stderr, *self.inside.values()):
            if fd is not None:
                os.close(fd)


@pytest.fixture
async def process():
    pipes = Pipes()
    yield pipes
    pipes.close()


async def test_output_and_exit_code(process):
    wire = Wire()
    os.write(process.inside["stdout"], b"out")
    os.write(process.inside["stderr"], b"err")
    process.end(3)
    await remotecommand.serve(WebSocketClient(wire, V5), process, report=exit_status)
    assert (wire.bytes(1), wire.bytes(2)) == (b"out", b"err")
    status = msgspec.json.decode(wire.sent[-1][1:])
    assert wire.sent[-1][0] == 3
    assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]


async def test_input_resize_and_half_close(process):
    wire = Wire()
    serving = asyncio.create_task(remotecommand.serve(WebSocketClient(wire, V5), process, report=exit_status))
    for message in (b"\x00hello", b'\x04{"Width":100,"Height":40}', b"\xff\x00"):
        wire.to_server.put_nowait(message)
    await asyncio.sleep(0)
    process.inside["stdin"] = await _drained(process.inside["stdin"], b"hello")
    assert process.size == (40, 100)
    process.inside.pop("stdin")
    process.end(0)
    await serving
    assert msgspec.json.decode(wire.sent[-1][1:])["status"] == "Success"


async def _drained(fd, expected):
    data = b""
    async with asyncio.timeout(10):
        while True:
            try:
                chunk = os.read(fd, 100)
            except BlockingIOError:
                await asyncio.sleep(0)
                continue
            if not chunk:
                break
            data += chunk
    assert data == expected
    os.close(fd)


async def test_v4_cannot_close_stdin(process):
    wire = Wire()
    serving = asyncio.create_task(remotecommand.serve(WebSocketClient(wire, V4), process, report=exit_status))
    wire.to_server.put_nowait(b"\xff\x00")
    wire.to_server.put_nowait(b"\x00x")
    for _ in range(10):
        await asyncio.sleep(0)
    assert wire.to_server.empty()
    assert process.stdin is not None
    process.end(0)
    await serving


async def test_a_slow_client_slows_the_process_down(process):
    wire = Wire()
    wire.taking.clear()
    serving = asyncio.create_task(remotecommand.serve(WebSocketClient(wire, V5), process, report=exit_status))
    written = 0
    for _ in range(200):
        try:
            written += os.write(process.inside["stdout"], b"x" * 4096)
        except BlockingIOError:
            await asyncio.sleep(0)
    assert written < 200 * 4096
    wire.taking.set()
    process.end(0)
    await serving
    assert len(wire.bytes(1)) == written


async def test_what_descendants_keep_open_is_not_waited_for(process):
    wire = Wire()
    os.write(process.inside["stdout"], b"last")
    process.ended.set_result(0)
    await remotecommand.serve(WebSocketClient(wire, V5), process, report=exit_status)
    assert wire.bytes(1) == b"last"


async def test_a_client_that_leaves_ends_the_session(process):
    wire = Wire()
    wire.to_server.put_nowait(None)
    async with asyncio.timeout(10):
        await remotecommand.serve(WebSocketClient(wire, V5), process, report=exit_status)


async def test_a_port():
    wire = Wire()
    ours, theirs = socket.socketpair()
    ours.setblocking(False)

    async def connect(port):
        assert port == 80
        return ours

    serving = asyncio.create_task(portforward.serve(wire, V4, [80], connect))
    wire.to_server.put_nowait(b"\x00ping")
    theirs.setblocking(False)
    loop = asyncio.get_running_loop()
    assert await loop.sock_recv(theirs, 100) == b"ping"
    await loop.sock_sendall(theirs, b"pong")
    await wire.until(lambda: wire.bytes(0).endswith(b"pong"))
    wire.to_server.put_nowait(b"\x00")
    assert await loop.sock_recv(theirs, 100) == b""
    theirs.close()
    await serving
    assert wire.sent[:2] == [b"\x00\x50\x00", b"\x01\x50\x00"]


async def test_a_port_that_nobody_listens_on():
    wire = Wire()

    async def connect(port):
        raise PyrtError("Connection refused")

    await portforward.serve(wire, V4, [80], connect)
    assert b"error forwarding port 80 to pod: Connection refused" in wire.bytes(1)
