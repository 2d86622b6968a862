"""Logs, exec, attach and port-forward against real containers."""

import json
import socket
import struct
import threading
from pathlib import Path

import pytest

from pyrt.client.http import Request, send
from pyrt.client.remotecommand import ERROR, STDOUT, open_remote
from pyrt.client.websocket import open_websocket

from .conftest import PATIENCE, PODS, ApiFailure

FOREVER = "trap 'exit 0' TERM; while true; do sleep 0.1; done"


# --- logs -----------------------------------------------------------------------------------------------------------


def test_both_streams(daemon, pod):
    daemon.create(pod("web", "echo err >&2; echo out; printf unfinished"))
    daemon.phase("web", "Succeeded")
    # Two pipes: the order between them is not kept.
    assert sorted(daemon.logs("web").splitlines()) == ["err", "out", "unfinished"]
    assert daemon.logs("web", "?stream=Stderr") == "err\n"
    assert daemon.logs("web", "?stream=Stdout&tailLines=1") == "unfinished"
    assert daemon.logs("web", "?stream=Stdout&limitBytes=5") == "out\nu"
    assert daemon.logs("web", "?timestamps=true&stream=Stdout").splitlines()[0].endswith("Z out")


def test_a_container_that_does_not_exist(daemon, pod):
    daemon.create(pod("web", "true"))
    with pytest.raises(ApiFailure, match="container x is not valid for pod web"):
        daemon.logs("web", "?container=x")


def test_a_pod_of_two_needs_a_name(daemon, pod):
    manifest = pod("web", "true")
    manifest["spec"]["containers"].append(manifest["spec"]["containers"][0] | {"name": "two"})
    daemon.create(manifest)
    with pytest.raises(ApiFailure, match=r"choose one of: \[app two\]"):
        daemon.logs("web")


def test_follow_ends_with_the_container(daemon, pod):
    daemon.create(pod("web", "echo one; while [ ! -e /tmp/go ]; do sleep 0.05; done; echo two"))
    daemon.running("web")
    with send(daemon.socket, Request("GET", f"{PODS}/web/log?follow=true", {}), timeout=PATIENCE) as response:
        chunks = response.chunks()
        assert next(chunks) == b"one\n"
        assert daemon.exec("web", "touch", "/tmp/go")[0] == 0
        assert b"".join(chunks) == b"two\n"


@pytest.mark.core
def test_follow_goes_across_rotation(daemon, pod):
    lines = 150_000
    daemon.create(pod("web", f"while [ ! -e /tmp/go ]; do sleep 0.05; done; seq 1 {lines} | sed 's/$/ {'x' * 90}/'"))
    daemon.running("web")
    with send(daemon.socket, Request("GET", f"{PODS}/web/log?follow=true", {}), timeout=PATIENCE) as response:
        starter = threading.Thread(target=daemon.exec, args=("web", "touch", "/tmp/go"))
        starter.start()
        text = b"".join(response.chunks())
        starter.join()
    assert text.count(b"\n") == lines
    assert [int(line.split()[0]) for line in text.splitlines()] == list(range(1, lines + 1))


def test_a_follower_that_leaves_is_forgotten(daemon, pod):
    daemon.create(pod("web", FOREVER))
    daemon.running("web")

    def inotify():
        fds = Path(f"/proc/{daemon.process.pid}/fd").iterdir()
        return sum("inotify" in str(fd.readlink()) for fd in fds if fd.is_symlink())

    before = daemon.until(inotify)  # the watch of the static pods' directory
    followers = [
        send(daemon.socket, Request("GET", f"{PODS}/web/log?follow=true", {}), timeout=PATIENCE) for _ in range(3)
    ]
    daemon.until(lambda: inotify() > before)
    for follower in followers:
        follower.close()
    daemon.until(lambda: inotify() == before)


# --- exec -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, 1, 42, 255])
def test_exit_codes(daemon, pod, code):
    daemon.create(pod("web", FOREVER))
    daemon.running("web")
    assert daemon.exec("web", "sh", "-c", f"echo out; echo err >&2; exit {code}") == (code, "out\n", "err\n")


def test_a_signal_is_128_and_its_number(daemon, pod):
    daemon.create(pod("web", FOREVER))
    daemon.running("web")
    assert daemon.exec("web", "sh", "-c", "kill -9 $$")[0] == 137


def test_a_command_that_is_not_there(daemon, pod):
    daemon.create(pod("web", FOREVER))
    daemon.running("web")
    assert daemon.exec("web", "/no/such/program")[0] == 127


@pytest.mark.core
def test_stdin_is_closed_at_its_end(daemon, pod):
    daemon.create(pod("web", FOREVER))
    daemon.running("web")
    assert daemon.exec("web", "wc", "-c", stdin=b"x" * 100_000)[1].strip() == "100000"


def test_much_output(daemon, pod):
    daemon.create(pod("web", FOREVER))
    daemon.running("web")
    code, out, _ = daemon.exec("web", "dd", "if=/dev/zero", "bs=1M", "count=20")
    assert (code, len(out)) == (0, 20 << 20)


def test_a_child_that_stays_does_not_keep_exec(daemon, pod):
    daemon.create(pod("web", FOREVER))
    daemon.running("web")
    assert daemon.exec("web", "sh", "-c", "sleep 1000 & echo started") == (0, "started\n", "")


@pytest.mark.core
def test_a_terminal_with_its_size(daemon, pod):
    daemon.create(pod("web", FOREVER))
    daemon.running("web")
    stream = open_remote(daemon.socket, f"{PODS}/web/exec?stdin=1&stdout=1&tty=1&command=sh")
    stream.resize(100, 40)
    stream.send_stdin(
        b"while [ \"$(stty size)\" != '40 100' ]; do :; done; test -t 0 && echo terminal-$((1+1)); exit 5\n"
    )
    output = b""
    while not stream.closed:
        output += b"".join(data for channel, data in stream.receive() if channel == STDOUT)
    assert b"terminal-2" in output
    assert stream.status["details"]["causes"] == [{"reason": "ExitCode", "message": "5"}]


def test_a_container_that_has_ended(daemon, pod):
    daemon.create(pod("web", "true"))
    daemon.phase("web", "Succeeded")
    with pytest.raises(Exception, match="completed pod; current phase is Succeeded"):
        daemon.exec("web", "true")


def test_an_exec_without_upgrade(daemon, pod):
    daemon.create(pod("web", FOREVER))
    daemon.running("web")
    with pytest.raises(ApiFailure, match="missing upgrade headers in request"):
        daemon.call("GET", f"{PODS}/web/exec?stdout=1&command=true")


def test_the_first_version_of_the_protocol(daemon, pod):
    daemon.create(pod("web", FOREVER))
    daemon.running("web")
    target = f"{PODS}/web/exec?stdout=1&stderr=1&command=sh&command=-c&command=echo%20hi;exit%203"
    connection = open_websocket(daemon.socket, target, ("channel.k8s.io",))
    messages = [message for message in messages_of(connection) if len(message) > 1]
    assert messages[0] == b"\x01hi\n"
    assert messages[1] == bytes((ERROR,)) + b"command terminated with non-zero exit code: exit status 3"


# --- attach -----------------------------------------------------------------------------------------------------------


def test_attach_to_a_shell(daemon, pod):
    daemon.create(pod("web", "cat", container={"stdin": True, "command": ["cat"]}))
    daemon.running("web")
    stream = open_remote(daemon.socket, f"{PODS}/web/attach?stdin=1&stdout=1&stderr=1")
    stream.send_stdin(b"hello\n")
    output = b""
    while not output.endswith(b"hello\n"):
        output += b"".join(data for channel, data in stream.receive() if channel == STDOUT)
    stream.close()
    daemon.until(lambda: daemon.logs("web") == "hello\n")


def test_attach_wants_what_the_pod_has(daemon, pod):
    daemon.create(pod("web", FOREVER))
    daemon.running("web")
    with pytest.raises(Exception, match="has no stdin"):
        open_remote(daemon.socket, f"{PODS}/web/attach?stdin=1&stdout=1")


# --- port-forward -----------------------------------------------------------------------------------------------------


def messages_of(connection):
    """Every message until the server hangs up."""
    while not connection.closed:
        yield from connection.receive()


def forward(daemon, name, port):
    return open_websocket(daemon.socket, f"{PODS}/{name}/portforward?ports={port}", ("v4.channel.k8s.io",))


@pytest.mark.core
def test_a_port_is_forwarded(daemon, pod):
    daemon.create(pod("web", "while true; do echo pong | nc -l -p 8080; done"))
    daemon.running("web")
    daemon.until(lambda: ":1F90" in daemon.exec("web", "cat", "/proc/net/tcp", "/proc/net/tcp6")[1])
    connection = forward(daemon, "web", 8080)
    messages = messages_of(connection)
    assert [next(messages), next(messages)] == [bytes((c,)) + struct.pack("<H", 8080) for c in (0, 1)]
    assert next(messages) == b"\x00pong\n"
    connection.close()


def test_a_port_that_is_closed(daemon, pod):
    daemon.create(pod("web", FOREVER))
    daemon.running("web")
    connection = forward(daemon, "web", 9999)
    errors = [message[1:] for message in messages_of(connection) if message[0] == 1 and len(message) > 3]
    assert b"refused" in errors[0].lower()


def test_a_pod_without_processes(daemon, pod):
    daemon.create(pod("web", "true"))
    daemon.phase("web", "Succeeded")
    with pytest.raises(Exception, match="pod is not running"):
        forward(daemon, "web", 80)


# --- the wire ------------------------------------------------------------------------------------------------------


def test_nonsense_on_the_socket(daemon):
    for data in (b"\0\1\2\3\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n"):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE)
            client.connect(daemon.socket)
            client.sendall(data)
            assert b" 400 " in client.recv(100) or data.startswith(b"GET / HTTP")
    assert daemon.call("GET", "/version")["major"] == "1"


def test_a_channel_message_that_means_nothing(daemon, pod):
    daemon.create(pod("web", FOREVER))
    daemon.running("web")
    connection = open_websocket(
        daemon.socket, f"{PODS}/web/exec?stdin=1&stdout=1&command=cat", ("v5.channel.k8s.io", "v4.channel.k8s.io")
    )
    for message in (b"", b"\x09x", b"\x04{nonsense", b'\x04{"Width":-1,"Height":99999}', b"\xff", b"\xff\x07"):
        connection.send(message)
    connection.send(b"\x00still here\n")
    connection.send(b"\xff\x00")
    messages = list(messages_of(connection))
    assert messages[0] == b"\x01still here\n"
    assert json.loads(messages[-1][1:])["status"] == "Success"
