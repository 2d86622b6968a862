"""Commands and forwarded ports over SPDY, with a client that is another session and a wire that is two queues."""

import asyncio
import os
import socket

import msgspec
import pytest

from pyrt.errors import PyrtError
from pyrt.streams import remotecommand
from pyrt.streams.channels import RESIZE, STDERR, STDIN, STDOUT
from pyrt.streams.outcomes import exit_status
from pyrt.streams.spdy import forwards
from pyrt.streams.spdy.commands import COMMAND_PROTOCOLS, SpdyClient
from pyrt.streams.spdy.connection import STREAM_BUFFER
from pyrt.streams.spdy.frames import Data, Decoder, Encoder, GoAway, RstStream, SynReply, SynStream

V4, V3, V2, V1 = COMMAND_PROTOCOLS


class Wire:
    """The server's pipe, and the client at its other end."""

    def __init__(self):
        self.to_server = asyncio.Queue()
        self.frames = []
        self.taking = asyncio.Event()
        self.taking.set()
        self.closed = False
        self.reads = 0
        self._encoder = Encoder()
        self._decoder = Decoder()
        self._next = 1
        self.names = {}

    # the server's side

    async def receive(self):
        data = await self.to_server.get()
        self.reads += 1
        return data

    async def send(self, data):
        self.frames += self._decoder.feed(data)
        await self.taking.wait()

    async def close(self, *, linger=True):
        self.closed = True

    # the client's side

    def open(self, kind, **headers):
        number, self._next = self._next, self._next + 2
        self.names[number] = kind
        self.put(SynStream(number, {"streamtype": kind, **headers}))
        return number

    def put(self, *frames):
        self.to_server.put_nowait(b"".join(map(self._encoder.encode, frames)))

    def hang_up(self):
        self.to_server.put_nowait(b"")

    def data(self, number):
        return b"".join(f.data for f in self.frames if isinstance(f, Data) and f.stream == number)

    def ended(self, number):
        return any(f.stream == number and f.fin for f in self.frames if isinstance(f, Data))

    def was_reset(self, number):
        return any(f.stream == number for f in self.frames if isinstance(f, RstStream))

    async def until(self, condition):
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110 - of sockets and pipes as well, which set no event
                await asyncio.sleep(0)


class Pipes:
    """A process that is three pipes; the test holds the other ends."""

    def __init__(self):
        self.inside = {}
        self.inside["stdin"], self.stdin = os.pipe2(os.O_NONBLOCK)
        self.stdout, self.inside["stdout"] = os.pipe2(os.O_NONBLOCK)
        self.stderr, self.inside["stderr"] = os.pipe2(os.O_NONBLOCK)
        self.ended = asyncio.get_running_loop().create_future()
        self.sizes = []

    def resize(self, rows, columns):
        self.sizes.append((rows, columns))

    def close_stdin(self):
        if self.stdin is not None:
            os.close(self.stdin)
            self.stdin = None

    async def wait(self):
        return await asyncio.shield(self.ended)

    def end(self, code):
        for name in ("stdout", "stderr"):
            os.close(self.inside.pop(name))
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


async def converse(wire, process, protocol=V4, channels=(STDIN, STDOUT, STDERR), creation=10):
    async with SpdyClient(wire, protocol, channels) as client:
        await client.ready(creation)
        await remotecommand.serve(client, process, report=exit_status)


async def everything(fd):
    data = b""
    async with asyncio.timeout(10):
        while True:
            try:
                piece = os.read(fd, 65536)
            except BlockingIOError:
                await asyncio.sleep(0)
                continue
            if not piece:
                return data
            data += piece


async def test_a_command(process):
    wire = Wire()
    error, stdin, stdout, stderr = (wire.open(kind) for kind in ("error", "stdin", "stdout", "stderr"))
    wire.put(Data(stdin, b"hello "), Data(stdin, b"there", fin=True))
    serving = asyncio.create_task(converse(wire, process))
    assert await everything(process.inside["stdin"]) == b"hello there"
    os.write(process.inside["stdout"], b"out")
    os.write(process.inside["stderr"], b"err")
    process.end(3)
    await serving
    assert [f.stream for f in wire.frames if isinstance(f, SynReply)] == [error, stdin, stdout, stderr]
    assert (wire.data(stdout), wire.data(stderr)) == (b"out", b"err")
    assert msgspec.json.decode(wire.data(error))["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]
    assert all(wire.ended(number) for number in (error, stdout, stderr))
    assert isinstance(wire.frames[-1], GoAway)
    assert wire.closed


@pytest.mark.parametrize(("protocol", "channels"), [(V3, (STDOUT, RESIZE)), (V2, (STDOUT, RESIZE)), (V1, (STDOUT,))])
async def test_the_older_protocols_end_with_text(process, protocol, channels):
    wire = Wire()
    error, stdout = wire.open("error"), wire.open("stdout")
    resize = wire.open("resize")
    serving = asyncio.create_task(converse(wire, process, protocol, channels))
    process.end(3)
    await serving
    assert wire.data(error) == b"command terminated with non-zero exit code: exit status 3"
    assert wire.ended(stdout)
    assert (SynReply(resize) in wire.frames) == (protocol is V3)


async def test_sizes_in_pieces(process):
    wire = Wire()
    wire.open("error")
    wire.open("stdout")
    resize = wire.open("resize")
    serving = asyncio.create_task(converse(wire, process, channels=(STDOUT, RESIZE)))
    wire.put(
        Data(resize, b'{"Width":80,"Hei'), Data(resize, b'ght":24}\n{"Width":1,"Height":2}{"Width":-1,"Height":9}')
    )
    wire.put(Data(resize, b"}}{nonsense}"), Data(resize, b"x" * 1000), Data(resize, b'{"Width":100,"Height":30}\n'))
    await wire.until(lambda: len(process.sizes) == 3)
    process.end(0)
    await serving
    assert process.sizes == [(24, 80), (2, 1), (30, 100)]


async def test_streams_nobody_asked_for_are_refused(process):
    wire = Wire()
    wire.open("error")
    second, unknown = wire.open("error"), wire.open("banana")
    wire.open("stdout")
    serving = asyncio.create_task(converse(wire, process, channels=(STDOUT,)))
    late = wire.open("stdin")
    await wire.until(lambda: wire.was_reset(late))
    assert wire.was_reset(second)
    assert wire.was_reset(unknown)
    process.end(0)
    await serving


async def test_a_client_that_makes_too_few_streams(process):
    wire = Wire()
    wire.open("error")
    with pytest.raises(TimeoutError):
        await converse(wire, process, creation=0.01)
    assert wire.closed


async def test_a_client_that_leaves_before_and_during(process):
    wire = Wire()
    wire.hang_up()
    with pytest.raises(ConnectionError):
        await converse(wire, process)
    wire = Wire()
    for kind in ("error", "stdin", "stdout", "stderr"):
        wire.open(kind)
    serving = asyncio.create_task(converse(wire, process))
    await wire.until(lambda: len(wire.frames) == 4)
    wire.hang_up()
    async with asyncio.timeout(10):
        await serving


async def test_a_client_that_speaks_nonsense(process):
    wire = Wire()
    for kind in ("error", "stdin", "stdout", "stderr"):
        wire.open(kind)
    wire.to_server.put_nowait(b"\x80\x02GET / HTTP/1.1\r\n\r\n")
    async with asyncio.timeout(10):
        await converse(wire, process)
    assert wire.frames[-1] == GoAway(7, 1)
    assert wire.closed


async def test_a_process_that_does_not_read_holds_the_client_back(process):
    wire = Wire()
    wire.open("error")
    stdin = wire.open("stdin")
    piece = b"x" * 16384
    for _ in range(100):
        wire.put(Data(stdin, piece))
    serving = asyncio.create_task(converse(wire, process, channels=(STDIN,)))
    for _ in range(1000):
        await asyncio.sleep(0)
    taken = (wire.reads - 2) * len(piece)
    assert STREAM_BUFFER < taken < STREAM_BUFFER + 3 * 65536 + 2 * len(piece)
    wire.put(Data(stdin, b"", fin=True))
    assert len(await everything(process.inside["stdin"])) == 100 * len(piece)
    process.end(0)
    await serving


async def test_a_client_that_does_not_read_holds_the_process_back(process):
    wire = Wire()
    wire.open("error")
    wire.open("stdout")
    serving = asyncio.create_task(converse(wire, process, channels=(STDOUT,)))
    await wire.until(lambda: len(wire.frames) == 2)
    wire.taking.clear()
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
    assert len(wire.data(3)) == written


# --- ports ------------------------------------------------------------------------------------------------------------


class Pod:
    """Connections into a pod are socket pairs, whose other ends the test holds."""

    def __init__(self):
        self.ends = {}

    async def connect(self, port):
        if port == 81:
            raise PyrtError("Connection refused")
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        self.ends.setdefault(port, []).append(theirs)
        return ours


def pair(wire, port, request):
    headers = {"port": str(port), "requestid": str(request)}
    error = wire.open("error", **headers)
    wire.put(Data(error, b"", fin=True))  # as client-go does
    return error, wire.open("data", **headers)


@pytest.fixture
async def forwarding():
    wire, pod = Wire(), Pod()
    serving = asyncio.create_task(forwards.serve(wire, pod.connect, creation_timeout=10))
    yield wire, pod
    wire.hang_up()
    async with asyncio.timeout(10):
        await serving
    for end in (end for ends in pod.ends.values() for end in ends):
        end.close()
    assert wire.closed


async def received(end, size):
    loop = asyncio.get_running_loop()
    data = b""
    async with asyncio.timeout(10):
        while len(data) < size and (piece := await loop.sock_recv(end, 65536)):
            data += piece
    return data


async def test_two_connections_at_once(forwarding):
    wire, pod = forwarding
    (error, one), (_, two) = pair(wire, 80, 0), pair(wire, 80, 1)
    await wire.until(lambda: len(pod.ends.get(80, ())) == 2)
    wire.put(Data(two, b"second"), Data(one, b"first"))
    first, second = pod.ends[80]
    assert (await received(first, 5), await received(second, 6)) == (b"first", b"second")
    first.send(b"answer")
    await wire.until(lambda: wire.data(one) == b"answer")
    wire.put(Data(one, b"", fin=True))
    assert await received(first, 1) == b""
    first.send(b", and more")
    first.shutdown(socket.SHUT_WR)
    await wire.until(lambda: wire.ended(error))
    assert wire.data(one) == b"answer, and more"
    assert wire.ended(one)
    second.send(b"still here")
    await wire.until(lambda: wire.data(two) == b"still here")


async def test_a_port_that_nobody_listens_on(forwarding):
    wire, _ = forwarding
    error, data = pair(wire, 81, 0)
    await wire.until(lambda: wire.was_reset(data))
    assert wire.data(error) == b"error forwarding port 81 to pod: Connection refused"
    assert wire.ended(error)


async def test_old_clients_number_their_streams(forwarding):
    wire, pod = forwarding
    wire.open("error", port="80")
    data = wire.open("data", port="80")
    wire.put(Data(data, b"x"))
    await wire.until(lambda: 80 in pod.ends)
    assert await received(pod.ends[80][0], 1) == b"x"


async def test_a_client_that_resets_ends_the_connection(forwarding):
    wire, pod = forwarding
    _, data = pair(wire, 80, 0)
    await wire.until(lambda: 80 in pod.ends)
    wire.put(RstStream(data, 5))
    assert await received(pod.ends[80][0], 1) == b""
    with pytest.raises(BrokenPipeError):
        pod.ends[80][0].send(b"x")


@pytest.mark.parametrize(
    "headers",
    [{"port": "0"}, {"port": "65536"}, {"port": "x"}, {"port": ""}, {"port": "8" * 40}, {}, {"port": "٨"}],
)
async def test_ports_that_are_none(forwarding, headers):
    wire, _ = forwarding
    headers = {name: value for name, value in headers.items() if value.isascii()}
    number = wire.open("data", **headers)
    await wire.until(lambda: wire.was_reset(number))


async def test_a_pair_is_of_one_port_and_of_two_kinds(forwarding):
    wire, _ = forwarding
    wire.open("error", port="80", requestid="0")
    again = wire.open("error", port="80", requestid="0")
    other = wire.open("data", port="82", requestid="0")
    await wire.until(lambda: wire.was_reset(again) and wire.was_reset(other))


async def test_half_a_pair_is_given_up():
    wire, pod = Wire(), Pod()
    serving = asyncio.create_task(forwards.serve(wire, pod.connect, creation_timeout=0.01))
    error = wire.open("error", port="80", requestid="0")
    await wire.until(lambda: wire.was_reset(error))
    wire.hang_up()
    await serving
    assert not pod.ends


async def test_a_flood_of_streams_is_refused(forwarding):
    wire, _ = forwarding
    numbers = [wire.open("error", port="80", requestid=str(n)) for n in range(600)]
    await wire.until(lambda: wire.was_reset(numbers[-1]))
    assert sum(wire.was_reset(number) for number in numbers) == 600 - 512


async def test_a_flood_of_streams_that_are_reset_again_is_bounded(forwarding):
    wire, _ = forwarding
    for n in range(600):
        number = wire.open("error", port="80", requestid=str(n))
        wire.put(RstStream(number, 5))
    last = wire.open("error", port="80", requestid="last")
    await wire.until(lambda: wire.was_reset(last))


async def test_much_data_both_ways(forwarding):
    wire, pod = forwarding
    _, data = pair(wire, 80, 0)
    await wire.until(lambda: 80 in pod.ends)
    block = os.urandom(10000)
    for _ in range(200):
        wire.put(Data(data, block))
    assert await received(pod.ends[80][0], 2000000) == block * 200
    await asyncio.get_running_loop().sock_sendall(pod.ends[80][0], block * 200)
    await wire.until(lambda: len(wire.data(data)) == 2000000)
    assert wire.data(data) == block * 200
