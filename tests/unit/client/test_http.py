from __future__ import annotations

import errno
from pathlib import Path

import pytest

from pyrt.client.errors import ProtocolError, UnreachableError
from pyrt.client.http import Request, send
from tests.unit.client.server import Server, answer, chunked


def get(server: Server, target: str = "/x") -> bytes:
    with send(str(server.path), Request("GET", target, {})) as response:
        return response.read()


def test_body_of_known_length(server: Server) -> None:
    server.routes["GET /x"] = answer(body=b"hello")
    assert get(server) == b"hello"


def test_body_in_chunks(server: Server) -> None:
    server.routes["GET /x"] = chunked(b"hel", b"lo")
    assert get(server) == b"hello"


def test_body_until_the_end_of_the_connection(server: Server) -> None:
    server.routes["GET /x"] = b"HTTP/1.1 200 OK\r\n\r\nhello"
    assert get(server) == b"hello"


def test_lines_are_cut_across_chunks(server: Server) -> None:
    server.routes["GET /x"] = chunked(b"a\nb", b"c\n", b"d")
    with send(str(server.path), Request("GET", "/x", {})) as response:
        assert list(response.lines()) == [b"a", b"bc", b"d"]


def test_interim_answers_are_skipped(server: Server) -> None:
    server.routes["GET /x"] = b"HTTP/1.1 100 Continue\r\n\r\n" + answer(body=b"hello")
    assert get(server) == b"hello"


def test_request_bodies(server: Server) -> None:
    server.routes["POST /x"] = answer(body=b"")
    send(str(server.path), Request("POST", "/x", {}, b"whole")).close()
    send(str(server.path), Request("POST", "/x", {}, iter([b"in ", b"", b"parts"]))).close()
    assert [asked.body for asked in server.asked] == [b"whole", b"in parts"]


@pytest.mark.parametrize(
    "reply",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 300 + b"\r\n",
        b"HTTP/1.1 200 OK\r\na: " + b"b" * 100_000 + b"\r\n\r\n",
        b"",
    ],
)
def test_nonsense_is_a_protocol_error(server: Server, reply: bytes) -> None:
    server.routes["GET /x"] = reply
    with pytest.raises(ProtocolError):
        get(server)


def test_line_breaks_cannot_be_smuggled_into_a_request(server: Server) -> None:
    with pytest.raises(ProtocolError):
        get(server, "/x HTTP/1.1\r\nX-Evil: 1")
    assert not server.asked


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError) as caught:
        send(str(tmp_path / "none"), Request("GET", "/", {}))
    assert caught.value.errno == errno.ENOENT


def test_a_socket_path_that_is_too_long_is_unreachable() -> None:
    with pytest.raises(UnreachableError):
        send("/" + "x" * 200, Request("GET", "/", {}))


def test_a_silent_server_is_given_up(server: Server) -> None:
    server.routes["GET /x"] = lambda asked: asked.socket.recv(1) or b""
    with pytest.raises(ProtocolError, match="in time"):
        send(str(server.path), Request("GET", "/x", {}), timeout=0.05)
