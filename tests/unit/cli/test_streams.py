"""exec, logs, cp and port-forward against a server that plays the other end."""

from __future__ import annotations

import io
import json
import os
import socket
import tarfile
import threading
from pathlib import Path

import pytest

from pyrt.cli.commands.cp import Place, parse_place
from pyrt.cli.commands.port_forward import Forward, parse_forward
from pyrt.cli.failure import CliError
from pyrt.client.portforward import open_forward, relay
from tests.unit.cli.conftest import Pyrt
from tests.unit.cli.tables import PODS, pod
from tests.unit.client.server import Asked, Server, answer, chunked, frame, handshake, read_frame, status

V5 = "v5.channel.k8s.io"
SUCCESS = frame(b'\x03{"status":"Success"}') + frame(b"", 8)
TWO = {"containers": [{"name": "a"}, {"name": "b"}], "initContainers": [{"name": "c"}]}


def exits(code: int, out: bytes = b"", err: bytes = b"") -> object:
    """An exec that prints and exits."""
    cause = {"reason": "ExitCode", "message": str(code)}
    failure = {"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": [cause]}}

    def play(asked: Asked) -> None:
        handshake(asked, V5)
        asked.socket.sendall(frame(b"\x01" + out) + frame(b"\x02" + err))
        asked.socket.sendall(frame(b"\x03" + json.dumps(failure).encode()) + frame(b"", 8) if code else SUCCESS)

    return play


def test_exec_passes_output_and_code_on(server: Server, pyrt: Pyrt) -> None:
    server.routes |= {f"GET {PODS}/web": answer(pod()), f"GET {PODS}/web/exec": exits(3, b"out\n", b"err\n")}  # type: ignore[dict-item]
    result = pyrt("exec", "web", "--", "sh", "-c", "exit 3")
    assert (result.code, result.out) == (3, "out\n")
    assert result.err == "err\ncommand terminated with exit code 3\n"
    assert server.asked[1].query == {
        "container": ["app"], "command": ["sh", "-c", "exit 3"], "stdout": ["true"], "stderr": ["true"],
    }  # fmt: skip


def test_exec_says_which_container_it_took(server: Server, pyrt: Pyrt) -> None:
    server.routes |= {f"GET {PODS}/web": answer(pod(**TWO)), f"GET {PODS}/web/exec": exits(0)}  # type: ignore[dict-item]
    assert pyrt("exec", "pod/web", "--", "true").err == 'Defaulted container "a" out of: a, b, c (init)\n'
    assert pyrt("exec", "web", "-cb", "--", "true").err == ""
    assert "container x not found in pod web" in pyrt("exec", "web", "-c", "x", "--", "true").err


def test_exec_errors(server: Server, pyrt: Pyrt) -> None:
    server.routes[f"GET {PODS}/done"] = answer(pod("done", "Succeeded"))
    assert (
        "cannot exec into a container in a completed pod; current phase is Succeeded"
        in pyrt("exec", "done", "--", "x").err
    )
    assert "is not supported anymore" in pyrt("exec", "web", "ls").err
    assert "you must specify at least one command" in pyrt("exec", "web").err
    assert "must be specified" in pyrt("exec").err


def test_a_broken_connection_is_an_error(server: Server, pyrt: Pyrt) -> None:
    server.routes |= {f"GET {PODS}/web": answer(pod()), f"GET {PODS}/web/exec": lambda asked: handshake(asked, V5)}
    result = pyrt("exec", "web", "--", "sleep", "9")
    assert result.code == 1
    assert "connection to the server was lost" in result.err


def test_logs(server: Server, pyrt: Pyrt) -> None:
    server.routes |= {f"GET {PODS}/web": answer(pod()), f"GET {PODS}/web/log": chunked(b"one\ntw", b"o\n")}
    assert pyrt("logs", "web", "--tail=5", "--since=90s", "--timestamps", "-p").out == "one\ntwo\n"
    assert server.asked[1].query == {
        "container": ["app"], "previous": ["true"], "timestamps": ["true"], "tailLines": ["5"], "sinceSeconds": ["90"],
    }  # fmt: skip


def test_logs_of_all_containers_with_prefix(server: Server, pyrt: Pyrt) -> None:
    server.routes |= {f"GET {PODS}/web": answer(pod(**TWO)), f"GET {PODS}/web/log": answer(body=b"x\n")}
    out = pyrt("logs", "web", "--all-containers", "--prefix").out
    assert out == "[pod/web/c] x\n[pod/web/a] x\n[pod/web/b] x\n"


def test_logs_followed_together(server: Server, pyrt: Pyrt) -> None:
    spec = {"containers": TWO["containers"]}
    running = [{"name": name, "state": {"running": {}}} for name in "ab"]
    found = {**pod(**spec), "status": {"phase": "Running", "containerStatuses": running}}
    server.routes |= {
        f"GET {PODS}/web": answer(found),
        f"GET {PODS}": answer({"items": [found]}),
        f"GET {PODS}/web/log": lambda asked: answer(body=asked.query["container"][0].encode() * 3),
    }
    assert sorted(pyrt("logs", "-f", "web", "--all-containers").out.split()) == ["aaa", "bbb"]
    assert (
        "maximum allowed concurrency is 1" in pyrt("logs", "-f", "web", "--all-containers", "--max-log-requests=1").err
    )


def test_log_errors(server: Server, pyrt: Pyrt) -> None:
    waiting = 'container "app" in pod "web" is waiting to start: ContainerCreating'
    server.routes |= {f"GET {PODS}/web": answer(pod()), f"GET {PODS}/web/log": status(400, "BadRequest", waiting)}
    result = pyrt("logs", "web")
    assert (result.code, result.err) == (1, f"Error from server (BadRequest): {waiting}\n")
    assert "at most one of" in pyrt("logs", "web", "--since=1s", "--since-time=2026-01-01T00:00:00Z").err
    assert "invalid duration" in pyrt("logs", "web", "--since=soon").err
    assert "POD or TYPE/NAME is a required argument" in pyrt("logs").err


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("/tmp/x", Place("/tmp/x")),
        ("./a:b", Place("./a:b")),
        ("web:/tmp/x", Place("/tmp/x", "web")),
        ("ns/web:x", Place("x", "web", "ns")),
        ("file", Place("file")),
    ],
)
def test_places(text: str, place: Place) -> None:
    assert parse_place(text) == place


@pytest.mark.parametrize("text", ["a/b/c:x", ":x", "ns/:x"])
def test_bad_places(text: str) -> None:
    with pytest.raises(CliError):
        parse_place(text)


def archive(*members: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def test_copy_from_a_container(server: Server, pyrt: Pyrt, tmp_path: Path) -> None:
    data = os.urandom(300_000)
    tar = archive(("./log/a", b"one"), ("./log/deep/b", data))
    server.routes |= {f"GET {PODS}/web": answer(pod()), f"GET {PODS}/web/exec": exits(0, tar)}  # type: ignore[dict-item]
    result = pyrt("cp", "web:/var/log", str(tmp_path / "out"))
    assert (result.code, result.err) == (0, "")
    assert (tmp_path / "out" / "a").read_bytes() == b"one"
    assert (tmp_path / "out" / "deep" / "b").read_bytes() == data
    assert server.asked[1].query["command"] == ["tar", "cf", "-", "-C", "/var", "--", "./log"]


def test_a_hostile_container_writes_nothing(server: Server, pyrt: Pyrt, tmp_path: Path) -> None:
    tar = archive(("./log/../../evil", b"x"))
    server.routes |= {f"GET {PODS}/web": answer(pod()), f"GET {PODS}/web/exec": exits(0, tar)}  # type: ignore[dict-item]
    result = pyrt("cp", "web:/var/log", str(tmp_path / "out"))
    assert result.code == 1
    assert "refusing to copy" in result.err
    assert not (tmp_path / "out").exists()


def test_copy_failures_say_what_tar_said(server: Server, pyrt: Pyrt, tmp_path: Path) -> None:
    play = exits(2, b"", b"tar: ./x: No such file or directory\n")
    server.routes |= {f"GET {PODS}/web": answer(pod()), f"GET {PODS}/web/exec": play}  # type: ignore[dict-item]
    result = pyrt("cp", "web:/x", str(tmp_path / "out"))
    assert result.code == 2
    assert "No such file or directory" in result.err


def test_copy_into_a_container(server: Server, pyrt: Pyrt, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").write_bytes(b"x" * 200_000)
    received = io.BytesIO()

    def play(asked: Asked) -> None:
        handshake(asked, V5)
        if asked.query["command"][0] == "test":
            asked.socket.sendall(SUCCESS)
            return
        with asked.socket.makefile("rb") as stream:
            while True:
                opcode, data = read_frame(stream)
                if data[:1] != b"\x00":
                    assert (opcode, data) == (2, b"\xff\x00")
                    break
                received.write(data[1:])
        asked.socket.sendall(SUCCESS)

    server.routes |= {f"GET {PODS}/web": answer(pod()), f"GET {PODS}/web/exec": play}
    assert pyrt("cp", str(source), "web:/data").code == 0
    assert server.asked[-1].query["command"] == ["tar", "-xmf", "-", "-C", "/data"]
    received.seek(0)
    with tarfile.open(fileobj=received) as tar:
        assert sorted(tar.getnames()) == ["source", "source/file"]


def test_copy_errors(server: Server, pyrt: Pyrt) -> None:
    server.routes[f"GET {PODS}/web"] = answer(pod())
    assert "one of src or dest must be a remote" in pyrt("cp", "a", "b").err
    assert "source and destination are required" in pyrt("cp", "a").err
    assert "doesn't exist in local filesystem" in pyrt("cp", "/nowhere", "web:/x").err


@pytest.mark.parametrize(
    ("text", "forward"), [("80", Forward(80, 80)), ("8080:80", Forward(8080, 80)), (":80", Forward(0, 80))]
)
def test_forwards(text: str, forward: Forward) -> None:
    assert parse_forward(text) == forward


@pytest.mark.parametrize("text", ["x", "80:", "1:70000", "-1:80"])
def test_bad_forwards(text: str) -> None:
    with pytest.raises(CliError):
        parse_forward(text)


def test_a_forwarded_connection(server: Server) -> None:
    def echo(asked: Asked) -> None:
        assert asked.query == {"ports": ["80"]}
        handshake(asked, "v4.channel.k8s.io")
        asked.socket.sendall(frame(b"\x00\x50\x00") + frame(b"\x01\x50\x00"))
        with asked.socket.makefile("rb") as stream:
            _, data = read_frame(stream)
            assert read_frame(stream) == (2, b"\x00")  # the client's side sends no more
            asked.socket.sendall(frame(data.upper()) + frame(b"", 8))

    server.routes["GET /pf"] = echo
    near, far = socket.socketpair()
    remote = open_forward(str(server.path), "/pf", 80)
    carrier = threading.Thread(target=relay, args=(far, remote))
    carrier.start()
    near.sendall(b"\x00hello"[1:])
    near.shutdown(socket.SHUT_WR)
    assert near.recv(100) == b"HELLO"
    carrier.join(5)
    assert not carrier.is_alive()
