from __future__ import annotations

import json
import os
import select
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyrt.client.errors import ApiError, ProtocolError
from pyrt.client.remotecommand import STDERR, STDOUT, exit_code, open_remote
from pyrt.client.websocket import WebSocket, accept_value, mask, open_websocket
from tests.unit.client.server import Asked, Server, frame, handshake, read_frame, status

V5 = "v5.channel.k8s.io"


def collect(websocket: WebSocket) -> list[bytes]:
    found: list[bytes] = []
    while not websocket.closed:
        select.select([websocket], [], [], 5)
        found += websocket.receive()
    return found


def serve(server: Server, *frames: bytes, protocol: str = V5) -> WebSocket:
    def answer(asked: Asked) -> None:
        handshake(asked, protocol)
        for data in frames:
            asked.socket.sendall(data)

    server.routes["GET /ws"] = answer
    return open_websocket(str(server.path), "/ws", (V5, "v4.channel.k8s.io"))


def test_the_example_of_the_rfc() -> None:
    assert accept_value(b"dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@given(st.binary(min_size=4, max_size=4), st.binary(max_size=300))
def test_masking_is_octet_by_octet(key: bytes, payload: bytes) -> None:
    assert mask(key, payload) == bytes(octet ^ key[index % 4] for index, octet in enumerate(payload))


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 200_000])
def test_messages_of_every_length_form(server: Server, size: int) -> None:
    payload = os.urandom(size)
    assert collect(serve(server, frame(payload), frame(b"", 8))) == [payload]


def test_fragments_are_joined_and_pings_do_not_disturb(server: Server) -> None:
    frames = frame(b"a", final=False) + frame(b"!", 9) + frame(b"b", 0, final=False) + frame(b"c", 0)
    assert collect(serve(server, frames)) == [b"abc"]


@pytest.mark.parametrize("bad", [b"\x83\x00", b"\xf2\x00", b"\x82\x81abcd!", b"\x82\x7f" + b"\x7f" * 8])
def test_malformed_frames(server: Server, bad: bytes) -> None:
    websocket = serve(server, bad)
    with pytest.raises(ProtocolError):
        collect(websocket)


def test_a_wrong_accept_value(server: Server) -> None:
    server.routes["GET /ws"] = b"HTTP/1.1 101 X\r\nSec-WebSocket-Accept: no\r\n\r\n"
    with pytest.raises(ProtocolError, match="handshake"):
        open_websocket(str(server.path), "/ws", (V5,))


def test_a_protocol_nobody_asked_for(server: Server) -> None:
    with pytest.raises(ProtocolError, match="none of the protocols"):
        serve(server, protocol="chat")


def test_a_refusal_is_the_servers_status(server: Server) -> None:
    server.routes["GET /ws"] = status(404, "NotFound", 'pods "x" not found')
    with pytest.raises(ApiError, match="not found"):
        open_websocket(str(server.path), "/ws", (V5,))


def test_remote_command(server: Server) -> None:
    heard: list[tuple[int, bytes]] = []
    failure = {
        "status": "Failure",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": "3"}]},
    }

    def answer(asked: Asked) -> None:
        handshake(asked, V5)
        with asked.socket.makefile("rb") as stream:
            heard.extend(read_frame(stream) for _ in range(3))
        asked.socket.sendall(frame(b"\x01out") + frame(b"\x02err") + frame(b"\x01"))
        asked.socket.sendall(frame(b"\x03" + json.dumps(failure).encode()) + frame(b"", 8))

    server.routes["GET /exec"] = answer
    stream = open_remote(str(server.path), "/exec")
    stream.resize(80, 24)
    stream.send_stdin(b"hello")
    stream.close_stdin()
    output: list[tuple[int, bytes]] = []
    while not stream.closed:
        select.select([stream], [], [], 5)
        output += stream.receive()
    assert heard == [(2, b'\x04{"Width":80,"Height":24}'), (2, b"\x00hello"), (2, b"\xff\x00")]
    assert output == [(STDOUT, b"out"), (STDERR, b"err")]
    assert exit_code(stream.status) == 3


@pytest.mark.parametrize(
    ("value", "code"),
    [({"status": "Success"}, 0), (None, 0), ({"status": "Failure", "reason": "InternalError", "message": "x"}, None)],
)
def test_exit_codes(value: dict[str, object] | None, code: int | None) -> None:
    assert exit_code(value) == code


def test_what_cannot_be_sent_is_kept(server: Server) -> None:
    go_on = threading.Event()

    def answer(asked: Asked) -> None:
        handshake(asked, V5)
        go_on.wait(5)
        with asked.socket.makefile("rb") as stream:
            assert read_frame(stream) == (2, b"x" * 4_000_000)
        asked.socket.sendall(frame(b"got it"))

    server.routes["GET /ws"] = answer
    websocket = open_websocket(str(server.path), "/ws", (V5,))
    websocket.send(b"x" * 4_000_000)
    assert websocket.unsent
    go_on.set()
    while websocket.unsent:
        select.select([], [websocket], [], 5)
        websocket.flush()
    assert collect(websocket) == [b"got it"]
