"""kubectl itself against the daemon, where this machine has one."""

import shutil
import socket
import subprocess
import threading

import pytest

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl on this machine")

MANIFEST = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: app
    image: busybox:1.36
    command: [sh, -c, "echo hello; trap 'exit 0' TERM; while :; do sleep 0.1; done"]
"""


def _carry(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        target.close()


def _serve(listener, path):
    while True:
        try:
            near, _ = listener.accept()
        except OSError:
            return  # closed: the test is over
        far = socket.socket(socket.AF_UNIX)
        far.connect(path)
        for pair in ((near, far), (far, near)):
            threading.Thread(target=_carry, args=pair, daemon=True).start()


@pytest.fixture
def kubectl(daemon, tmp_path):
    """Runs kubectl through a TCP port of the loopback, as it does not speak to unix sockets."""
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=_serve, args=(listener, daemon.socket), daemon=True)
    thread.start()
    server = f"http://127.0.0.1:{listener.getsockname()[1]}"

    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin:/usr/local/bin"}

    def run(*words, code=0, stdin="", **more):
        command = ["kubectl", "--kubeconfig=/dev/null", "-s", server, *words]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, env=environment | more)
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stderr

    def start(*words, **more):
        command = ["kubectl", "--kubeconfig=/dev/null", "-s", server, *words]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return subprocess.Popen(command, text=True, env=environment | more, **pipes)

    run.start = start
    yield run
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def test_a_pod_from_manifest_to_nothing(daemon, kubectl):
    assert kubectl("apply", "-f", "-", stdin=MANIFEST) == "pod/web created\n"
    assert kubectl("apply", "-f", "-", stdin=MANIFEST) == "pod/web unchanged\n"
    assert kubectl("wait", "--for=condition=Ready", "pod/web", "--timeout=30s") == "pod/web condition met\n"
    header, row = kubectl("get", "pods").splitlines()
    assert header.split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert row.split()[:4] == ["web", "1/1", "Running", "0"]
    assert kubectl("logs", "web") == "hello\n"
    assert kubectl("exec", "-i", "web", "--", "cat", stdin="over there") == "over there"
    assert kubectl("exec", "web", "--", "sh", "-c", "exit 7", code=7) == "command terminated with exit code 7\n"
    said = kubectl("exec", "web", "--", "nothing", code=127)
    assert 'exec "nothing": executable file not found in $PATH\n' in said
    assert said.endswith("command terminated with exit code 127\n")
    assert kubectl("label", "pod", "web", "tier=front") == "pod/web labeled\n"
    assert kubectl("get", "pods", "-l", "tier=front", "-o", "name") == "pod/web\n"
    described = kubectl("describe", "pod", "web")
    assert "Container started" in described
    assert kubectl("delete", "pod", "web") == 'pod "web" deleted\n'
    assert daemon.get("web") is None


def test_fields_are_validated_by_the_server(daemon, kubectl):
    wrong = MANIFEST.replace("command:", "comand:")
    assert 'unknown field "spec.containers[0].comand"' in kubectl("apply", "-f", "-", stdin=wrong, code=1)
    assert kubectl("create", "--validate=warn", "-f", "-", stdin=wrong) == "pod/web created\n"


def test_secrets(daemon, kubectl):
    words = ("docker-registry", "creds", "--docker-username=alice", "--docker-password=wonder")
    manifest = kubectl("create", "secret", *words, "--dry-run=client", "-o", "yaml")
    assert kubectl("apply", "-f", "-", stdin=manifest) == "secret/creds created\n"
    assert kubectl("get", "secrets").splitlines()[1].split()[:3] == ["creds", "kubernetes.io/dockerconfigjson", "1"]
    assert "wonder" not in kubectl("describe", "secret", "creds")
    assert kubectl("delete", "secret", "creds") == 'secret "creds" deleted\n'


def test_it_finds_its_way(daemon, kubectl):
    assert "pods" in kubectl("api-resources", "-o", "name").split()
    assert "imagePullSecrets" in kubectl("explain", "pod.spec")


SPDY = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false", "KUBECTL_PORT_FORWARD_WEBSOCKETS": "false"}
"""What kubectl before 1.31 does."""


def test_commands_over_spdy(daemon, kubectl):
    kubectl("apply", "-f", "-", stdin=MANIFEST)
    kubectl("wait", "--for=condition=Ready", "pod/web", "--timeout=30s")
    big = "0123456789abcdef" * 65536
    assert kubectl("exec", "-i", "web", "--", "cat", stdin=big, **SPDY) == big
    assert kubectl("exec", "web", "--", "sh", "-c", "exit 7", code=7, **SPDY).endswith("exit code 7\n")
    said = kubectl("exec", "web", "--", "sh", "-c", "echo out; echo err >&2; exit 1", code=1, **SPDY)
    assert said == "err\ncommand terminated with exit code 1\n"
    assert "not found in $PATH" in kubectl("exec", "web", "--", "nothing", code=127, **SPDY)


@pytest.mark.parametrize("environment", [{}, SPDY], ids=["tunnelled", "spdy"])
def test_port_forward(daemon, kubectl, environment):
    kubectl("apply", "-f", "-", stdin=MANIFEST)
    kubectl("wait", "--for=condition=Ready", "pod/web", "--timeout=30s")
    listening = "until grep -q ':1B58 .* 0A ' /proc/net/tcp*; do sleep 0.02; done"
    daemon.exec("web", "sh", "-c", f"nc -ll -p 7000 -e cat >/dev/null 2>&1 & {listening}")
    forward = kubectl.start("port-forward", "pod/web", ":7000", ":7001", **environment)
    try:
        ports = [int(forward.stdout.readline().split("127.0.0.1:")[1].split()[0])]
        assert "[::1]" in forward.stdout.readline()
        ports.append(int(forward.stdout.readline().split("127.0.0.1:")[1].split()[0]))
        with socket.create_connection(("127.0.0.1", ports[0])) as one:
            one.sendall(b"first")
            assert one.recv(100) == b"first"
            with socket.create_connection(("127.0.0.1", ports[0])) as two:  # while the first is open
                two.sendall(b"second" * 10000)
                two.shutdown(socket.SHUT_WR)
                assert b"".join(iter(lambda: two.recv(65536), b"")) == b"second" * 10000
            one.sendall(b"again")
            assert one.recv(100) == b"again"
        with socket.create_connection(("127.0.0.1", ports[1])) as refused:
            assert refused.recv(100) == b""
        said = ""
        while "error occurred" not in said:
            said = forward.stdout.readline()
        assert "Connection refused" in said
    finally:
        forward.kill()
        forward.communicate()
