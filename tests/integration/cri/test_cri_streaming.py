"""exec, attach and port forwarding through the streaming server, and their synchronous sisters."""

from __future__ import annotations

import base64
import os
import socket
import subprocess
from pathlib import Path

import grpc
import msgspec
import pytest

from pyrt.cri import runtime_pb2 as cri
from tests.integration.cri.conftest import FOREVER, PATIENCE
from tests.integration.cri.streaming_client import Command, Refused, Spdy, WebSocket, code_of

ECHO = ("sh", "-c", "while :; do nc -ll -p 7000 -e cat; done")


def words(text):
    return ["sh", "-c", text]


@pytest.fixture
def app(pod):
    return pod.start()


def execute(client, container, text, *kinds, tty=False, **more):
    """A client at the URL of Exec."""
    flags = {kind: True for kind in kinds if kind != "resize"}
    url = client.Exec(container_id=container, cmd=words(text), tty=tty, **flags).url
    return Command(url, *kinds, **more)


# --- ExecSync ---------------------------------------------------------------------------------------------------------


def test_exec_sync(client, app):
    answer = client.ExecSync(container_id=app[:12], cmd=words("echo out; echo err >&2; exit 3"))
    assert (answer.stdout, answer.stderr, answer.exit_code) == (b"out\n", b"err\n", 3)


def test_exec_sync_that_takes_too_long(client, app, pod):
    code, details = client.refused("ExecSync", container_id=app, cmd=words("sleep 1234 & sleep 1234"), timeout=1)
    assert code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert "timed out after 1 s" in details
    assert b"1234" not in client.ExecSync(container_id=app, cmd=["ps"]).stdout


def test_exec_sync_whose_caller_hangs_up(client, app, node):
    with pytest.raises(grpc.RpcError):
        client.ExecSync(container_id=app, cmd=words("sleep 1235 & sleep 1235"), deadline=0.3)
    node.until(lambda: b"1235" not in client.ExecSync(container_id=app, cmd=["ps"]).stdout)


def test_exec_sync_does_not_wait_for_what_is_left_behind(client, app):
    answer = client.ExecSync(container_id=app, cmd=words("echo done; sleep 1000 &"))
    assert (answer.stdout, answer.exit_code) == (b"done\n", 0)


def test_exec_sync_of_much_output(client, app):
    command = words("yes | head -c 20000000; yes error | head -c 20000000 >&2")
    with_limit = [("grpc.max_receive_message_length", 16 * 2**20)]
    channel = grpc.insecure_channel(f"unix:{client.socket}", options=with_limit)
    call = channel.unary_unary(
        "/runtime.v1.RuntimeService/ExecSync",
        request_serializer=cri.ExecSyncRequest.SerializeToString,
        response_deserializer=cri.ExecSyncResponse.FromString,
    )
    answer = call(cri.ExecSyncRequest(container_id=app, cmd=command))
    channel.close()
    assert len(answer.stdout) + len(answer.stderr) == 16 * 2**20 - 1024
    assert answer.stderr.startswith(b"error\n")
    assert answer.exit_code == 0


def test_commands_that_cannot_be_run(client, pod):
    app = pod.start()
    code, details = client.refused("ExecSync", container_id=app, cmd=["/no/such/thing"])
    assert code is grpc.StatusCode.UNKNOWN
    assert "/no/such/thing" in details
    assert client.refused("ExecSync", container_id=app, cmd=["true"], timeout=-1)[0] is grpc.StatusCode.INVALID_ARGUMENT
    assert client.refused("ExecSync", container_id="0" * 64, cmd=["true"])[0] is grpc.StatusCode.NOT_FOUND
    command = Command(client.Exec(container_id=app, cmd=["/no/such/thing"], stdout=True).url, "stdout")
    assert command.end()[0].startswith("Internal error occurred: error executing command in container: ")


def test_requests_that_make_no_sense(client, app, pod):
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    for method in ("Exec", "Attach"):
        assert client.refused(method, container_id=app)[0] is invalid
        assert client.refused(method, container_id=app, stdout=True, stderr=True, tty=True)[0] is invalid
        assert client.refused(method, container_id="", stdout=True)[0] is grpc.StatusCode.NOT_FOUND
    assert client.refused("PortForward", pod_sandbox_id=pod.id, port=[0])[0] is invalid
    assert client.refused("PortForward", pod_sandbox_id="")[0] is grpc.StatusCode.NOT_FOUND


def test_a_container_that_does_not_run(client, pod):
    ended, never = pod.start("ended", "true"), pod.create("never")
    pod.exited(ended)
    for container in (ended, never):
        for method, fields in {
            "ExecSync": {"cmd": ["true"]},
            "Exec": {"cmd": ["true"], "stdout": True},
            "Attach": {"stdout": True},
            "ReopenContainerLog": {},
        }.items():
            code, details = client.refused(method, container_id=container, **fields)
            assert code is grpc.StatusCode.FAILED_PRECONDITION
            assert "not running" in details
    client.StopPodSandbox(pod_sandbox_id=pod.id)
    assert client.refused("PortForward", pod_sandbox_id=pod.id)[0] is grpc.StatusCode.FAILED_PRECONDITION


def test_a_container_that_has_ended_since(client, pod):
    app = pod.start()
    url = client.Exec(container_id=app, cmd=["true"], stdout=True).url
    client.StopContainer(container_id=app, timeout=0)
    assert "not running" in Command(url, "stdout").end()[0]


# --- exec over SPDY ---------------------------------------------------------------------------------------------------


@pytest.mark.core
def test_exec(client, app):
    command = execute(client, app, "cat; echo err >&2; exit 7", "stdin", "stdout", "stderr")
    command.type(b"hello " * 20000)
    command.finish(command.streams["stdin"])
    assert command.end() == (7, b"hello " * 20000, b"err\n")


def test_exec_with_a_terminal(client, app):
    command = execute(client, app, "stty size; read line; stty size; tty", "stdin", "stdout", "resize", tty=True)
    command.resize(100, 30)
    command.until(lambda: b"\n" in command.output())
    command.resize(120, 40)
    command.type(b"go\n")
    code, output, _ = command.end()
    assert code == 0
    assert b"40 120\r\n/dev/pts/" in output


def test_the_client_may_forget_to_end_its_stdin(client, app):
    command = execute(client, app, "exit 5", "stdin", "stdout", "stderr")
    command.type(b"nobody reads this" * 10000)
    assert command.end()[0] == 5


def test_older_versions_end_with_text(client, app):
    url = client.Exec(container_id=app, cmd=words("exit 3"), stdout=True).url
    command = Command(url, "stdout", version="v9.channel.k8s.io, v2.channel.k8s.io")
    assert "X-Stream-Protocol-Version: v2.channel.k8s.io" in command.head
    command.until(lambda: command.left)
    assert command.output("error") == b"command terminated with non-zero exit code: exit status 3"
    command.close()


def test_a_slow_reader_loses_nothing(client, app):
    command = execute(client, app, "yes | head -c 5000000", "stdout")
    code, output, _ = command.end()
    assert (code, len(output)) == (0, 5000000)


# --- attach -----------------------------------------------------------------------------------------------------------


def test_attach(client, pod):
    app = pod.start("app", "sh", "-c", "while read line; do echo got $line; done; exit 4", stdin=True, stdin_once=True)
    url = client.Attach(container_id=app, stdin=True, stdout=True, stderr=True).url
    command = Command(url, "stdin", "stdout", "stderr")
    command.type(b"one\n")
    command.until(lambda: command.output() == b"got one\n")
    command.finish(command.streams["stdin"])
    assert command.end() == (0, b"got one\n", b"")
    assert pod.exited(app).exit_code == 4
    assert pod.log(app) == "got one\n"


def test_attach_to_a_terminal(client, pod):
    app = pod.start("app", "sh", "-c", "read line; stty size; exit 0", stdin=True, tty=True)
    command = Command(
        client.Attach(container_id=app, stdin=True, stdout=True, tty=True).url, "stdin", "stdout", "resize"
    )
    command.resize(90, 20)
    command.type(b"go\n")
    assert b"20 90\r\n" in command.end()[1]


# --- forwarded ports --------------------------------------------------------------------------------------------------


@pytest.fixture
def echo(pod, client, node):
    container = pod.start("echo", *ECHO)
    listening = ["grep", "-q", ":1B58 .* 0A ", "/proc/net/tcp", "/proc/net/tcp6"]
    node.until(lambda: client.ExecSync(container_id=container, cmd=listening).exit_code == 0)
    return pod


def forward(connection, port, request):
    headers = {"port": str(port), "requestid": str(request)}
    error = connection.open("error", **headers)
    connection.finish(error)
    return error, connection.open("data", **headers)


@pytest.mark.core
def test_ports(client, echo):
    connection = Spdy(client.PortForward(pod_sandbox_id=echo.id).url, "portforward.k8s.io")
    assert "X-Stream-Protocol-Version: portforward.k8s.io" in connection.head
    pairs = [forward(connection, port, request) for request, port in enumerate((7000, 7000, 7001))]
    (_, one), (error, two), (refused, dead) = pairs
    connection.send(one, b"first")
    connection.send(two, b"second" * 10000)
    connection.finish(two)
    connection.until(lambda: error in connection.ended and refused in connection.ended)
    assert (connection.data[one], connection.data[two]) == (b"first", b"second" * 10000)
    assert two in connection.ended
    assert connection.data[refused].startswith(b"error forwarding port 7001 to pod: ")
    assert connection.data[refused].endswith(b"Connection refused")
    connection.until(lambda: dead in connection.reset)
    connection.send(one, b", again")
    connection.until(lambda: connection.data[one] == b"first, again")
    connection.close()


def test_ports_of_a_pod_in_the_hosts_network(client, node):
    options = cri.NamespaceOption(network=cri.NODE)
    linux = cri.LinuxPodSandboxConfig(security_context=cri.LinuxSandboxSecurityContext(namespace_options=options))
    pod = node.pod(linux=linux)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connection = Spdy(client.PortForward(pod_sandbox_id=pod.id).url, "portforward.k8s.io")
        _, data = forward(connection, listener.getsockname()[1], 0)
        accepted, _ = listener.accept()
        with accepted:
            accepted.sendall(b"from the host")
        connection.until(lambda: data in connection.ended)
        assert connection.data[data] == b"from the host"
        connection.close()


def test_ports_over_channels(client, echo):
    url = client.PortForward(pod_sandbox_id=echo.id, port=[7000]).url
    connection = WebSocket(url, "v4.base64.channel.k8s.io")
    connection.send(b"0" + base64.b64encode(b"ping"), 1)
    found = []
    for message in connection.messages():
        found.append((message[:1], base64.b64decode(message[1:])))
        if found[-1] == (b"0", b"ping"):
            break
    assert found[:2] == [(b"0", b"\x58\x1b"), (b"1", b"\x58\x1b")]
    refused = client.PortForward(pod_sandbox_id=echo.id).url
    with pytest.raises(Refused, match="at least 1 port"):
        WebSocket(refused, "v4.channel.k8s.io")


# --- WebSocket --------------------------------------------------------------------------------------------------------


def test_exec_over_websocket(client, app):
    url = client.Exec(container_id=app, cmd=words("cat; exit 7"), stdin=True, stdout=True).url
    connection = WebSocket(url, "v5.channel.k8s.io", "v4.channel.k8s.io")
    connection.send(b"\x00hello")
    connection.send(b"\xff\x00")
    *output, last = connection.messages()
    assert b"".join(message[1:] for message in output if message[0] == 1) == b"hello"
    assert last[0] == 3
    assert code_of(last[1:]) == 7


def test_exec_over_base64(client, app):
    connection = WebSocket(
        client.Exec(container_id=app, cmd=words("read a; echo $a"), stdin=True, stdout=True).url,
        "v4.base64.channel.k8s.io",
    )
    connection.send(b"0" + base64.b64encode(b"hello\n"), 1)
    *output, last = connection.messages()
    assert b"".join(base64.b64decode(message[1:]) for message in output) == b"hello\n"
    assert code_of(base64.b64decode(last[1:])) == 0


# --- the door ---------------------------------------------------------------------------------------------------------


def test_a_url_is_good_for_one_use(client, app):
    url = client.Exec(container_id=app, cmd=["true"], stdout=True).url
    assert url.startswith("http://127.0.0.1:")
    assert len(url.rsplit("/", 1)[1]) >= 22  # 128 bits
    assert Command(url, "stdout").end()[0] == 0
    attach = client.Attach(container_id=app, stdout=True).url
    for wrong in (url, url[:-1] + "-", attach.replace("/attach/", "/exec/"), attach):
        with pytest.raises(Refused) as caught:
            Command(wrong, "stdout")
        assert caught.value.code == 404


def test_requests_that_cannot_be_upgraded(client, app):
    def url():
        return client.Exec(container_id=app, cmd=["true"], stdout=True).url

    with pytest.raises(Refused, match="server accepts") as caught:
        Command(url(), "stdout", version="v9.channel.k8s.io")
    assert caught.value.code == 403
    assert caught.value.head.count("X-Accepted-Stream-Protocol-Versions: ") == 4
    with pytest.raises(Refused, match="with a body") as caught:
        Command(url(), "stdout", headers=[("Content-Length", "5")])
    assert caught.value.code == 400
    with pytest.raises(Refused, match="not supported"):
        WebSocket(url(), "v9.channel.k8s.io")


def test_tls_and_the_end_of_the_daemon(own_node, tmp_path):
    key, cert = tmp_path / "key", tmp_path / "cert"
    subject = ["-subj", "/CN=localhost", "-days", "2", "-nodes"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-keyout", key, "-out", cert, *subject],
        check=True,
        capture_output=True,
    )
    node = own_node
    node.stop()
    door = msgspec.structs.replace(node.config.cri, stream_tls_cert=cert, stream_tls_key=key, stream_address="::1")
    node.configure(msgspec.structs.replace(node.config, cri=door))
    node.start()
    app = node.pod().start()
    url = node.client.Exec(container_id=app, cmd=words("cat; exit 6"), stdin=True, stdout=True).url
    assert url.startswith("https://[::1]:")
    command = Command(url, "stdin", "stdout")
    command.type(b"secret" * 50000)
    command.finish(command.streams["stdin"])
    assert command.end() == (6, b"secret" * 50000, b"")

    command = execute(node.client, app, "sleep 1000", "stdin", "stdout")
    node.process.terminate()
    assert node.process.wait(PATIENCE) == 0
    command.until(lambda: command.gone or command.left)
    command.close()
    node.start()


# --- logs -------------------------------------------------------------------------------------------------------------


def test_the_log_is_reopened(client, pod, node):
    app = pod.start("app", "sh", "-c", "echo before; trap 'echo after; exit' TERM; while :; do sleep 0.1; done")
    path = Path(pod.container(app).log_path)
    node.until(lambda: "before" in path.read_text())
    rotated = path.with_suffix(".1")
    path.rename(rotated)
    client.ReopenContainerLog(container_id=app)
    client.StopContainer(container_id=app, timeout=10)
    assert "before" in rotated.read_text()
    assert path.read_text().endswith("stdout F after\n")


# --- nothing is left --------------------------------------------------------------------------------------------------


def state_of(node, pod):
    """Descriptors of the daemon and of the pod process, its records, and processes in the container."""
    counts = [len(os.listdir(f"/proc/{pid}/fd")) for pid in (node.process.pid, pod.process())]
    records = sum(1 for _ in (node.config.paths.run / "pods" / pod.id).rglob("*"))
    return (*counts, records, len(Path(f"/proc/{pod.process()}/task/{pod.process()}/children").read_text().split()))


def test_execs_leave_nothing(client, pod, node):
    app = pod.start("app", *FOREVER)

    def run(count):
        for number in range(count):
            assert client.ExecSync(container_id=app, cmd=["true"]).exit_code == 0
            if number % 5 == 0:
                assert execute(client, app, "cat", "stdout", "stderr").end()[0] == 0
            if number % 10 == 0:
                execute(client, app, "sleep 1000", "stdin", "stdout").close()  # goes away in the middle
                with pytest.raises(grpc.RpcError):
                    client.ExecSync(container_id=app, cmd=["sleep", "1000"], deadline=0.02)

    def settled():
        # Of clients that went away before their command had begun, it begins now.
        client.ExecSync(container_id=app, cmd=words("kill -9 $(pidof sleep) 2>/dev/null; true"))
        return state_of(node, pod)

    run(10)
    before = [min(numbers) for numbers in zip(*(settled() for _ in range(20)), strict=True)]
    run(100)
    node.until(lambda: all(now <= was for now, was in zip(settled(), before, strict=True)))
