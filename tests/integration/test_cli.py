"""The command line against a real daemon, as a user types it: started by the first command, taken away by the last."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import termios
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pyrt.config import dump_config, for_instance

ROOT = Path(__file__).parents[2]
IMAGE = "busybox:1.28"
PODS = """
apiVersion: v1
kind: Pod
metadata: {name: two, labels: {app: two}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: a
    image: busybox:1.28
    command: [sh, -c, "mkdir -p /www; echo page > /www/index.html; httpd -f -p 80 -h /www"]
  - {name: b, image: "busybox:1.28", command: [sh, -c, "echo from b; sleep 1000"]}
"""


@dataclass(frozen=True)
class Pyrt:
    """``pyrt`` for one instance."""

    directory: Path
    config: Path

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", "pyrt.cli", "--config", str(self.config)]

    @property
    def environment(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("PYRT_")}
        return {**kept, "PYTHONPATH": str(ROOT)}

    def run(self, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*self.command, *words], input=stdin, capture_output=True, env=self.environment, timeout=60, check=False
        )

    def __call__(self, *words: str, stdin: bytes = b"") -> str:
        done = self.run(*words, stdin=stdin)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*self.command, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self.environment
        )


def archive(root: Path, path: Path) -> None:
    """A docker archive of one layer."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        tar.add(root, ".")
        link = tarfile.TarInfo("./bin/tar")
        link.type, link.linkname = tarfile.SYMTYPE, "busybox"
        tar.addfile(link)
    data = layer.getvalue()
    config = {
        "architecture": "amd64" if os.uname().machine == "x86_64" else "arm64",
        "os": "linux",
        "config": {"Cmd": ["sh"], "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(data).hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [f"docker.io/library/{IMAGE}"], "Layers": ["layer.tar"]}]
    with tarfile.open(path, "w") as tar:
        for name, content in (
            ("manifest.json", json.dumps(manifest).encode()),
            ("config.json", json.dumps(config).encode()),
            ("layer.tar", data),
        ):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


@pytest.fixture(scope="module")
def pyrt(busybox_root: Path) -> Iterator[Pyrt]:
    base = "/tmp" if os.environ.get("PYRT_TEST_VM") else "/var/tmp"
    with tempfile.TemporaryDirectory(prefix="pyrt-cli-", dir=base) as name:
        directory = Path(name)
        config = directory / "config.toml"
        instance = for_instance(directory, "cli")
        config.write_text(dump_config(instance))
        command = Pyrt(directory, config)
        image = directory / "image.tar"
        archive(busybox_root, image)
        first = command.run("image", "import", str(image))
        assert first.returncode == 0, first.stderr.decode()
        assert first.stderr.startswith(b"pyrt: started the daemon (pid ")
        try:
            yield command
        finally:
            done = command.run("system", "reset", "--data", "--yes")
            assert done.returncode == 0, done.stderr.decode()
        assert not instance.paths.root.exists()
        assert not instance.paths.run.exists()
        tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=False).stdout
        assert instance.network.nft_table not in tables
        links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
        assert instance.network.interface_prefix not in links


@pytest.fixture
def two(pyrt: Pyrt) -> Iterator[Pyrt]:
    """A running pod of two containers."""
    manifest = pyrt.directory / "two.yaml"
    manifest.write_text(PODS)
    assert pyrt("apply", "-f", str(manifest)) == "pod/two created\n"
    try:
        pyrt("wait", "--for=condition=Ready", "pod/two")
        yield pyrt
    finally:
        pyrt("delete", "pod", "two", "--force", "--ignore-not-found")


@pytest.mark.core
def test_the_life_of_a_pod(pyrt: Pyrt) -> None:
    manifest = pyrt.directory / "life.yaml"
    manifest.write_text(PODS.replace("two", "life"))
    assert pyrt("apply", "-f", str(manifest)) == "pod/life created\n"
    assert pyrt("apply", "-f", str(manifest)) == "pod/life unchanged\n"
    assert pyrt("wait", "--for=condition=Ready", "pod/life") == "pod/life condition met\n"
    header, row = pyrt("get", "pods", "-l", "app=life").splitlines()
    assert header.split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert row.split()[:4] == ["life", "2/2", "Running", "0"]
    assert pyrt("get", "pod", "life", "-o", "jsonpath={.status.phase}") == "Running"
    assert "Container started" in pyrt("describe", "pod", "life")
    assert "Pod/life" in pyrt("events", "--for", "pod/life")
    changed = PODS.replace("two", "life").replace("metadata: {", "metadata: {annotations: {a: b}, ")
    assert pyrt("apply", "-f", "-", stdin=changed.encode()) == "pod/life configured\n"
    assert pyrt("delete", "-f", str(manifest)) == 'pod "life" deleted\n'
    assert pyrt.run("get", "pod", "life").stderr == b'Error from server (NotFound): pods "life" not found\n'


def test_validation_is_told_cause_by_cause(pyrt: Pyrt) -> None:
    done = pyrt.run(
        "apply", "-f", "-", stdin=b"{apiVersion: v1, kind: Pod, metadata: {name: A}, spec: {containers: [{}]}}"
    )
    assert done.returncode == 1
    lines = done.stderr.decode().splitlines()
    assert lines[0] == 'The Pod "A" is invalid: '
    assert "* spec.containers[0].image: Required value" in lines


def test_logs(two: Pyrt) -> None:
    assert two("logs", "two", "-c", "b") == "from b\n"
    assert two("logs", "two", "--all-containers", "--prefix") == "[pod/two/b] from b\n"
    with two.start("logs", "-f", "two", "-c", "b") as follower:
        assert follower.stdout is not None
        assert follower.stdout.readline() == b"from b\n"
        follower.terminate()


@pytest.mark.core
def test_exec(two: Pyrt) -> None:
    done = two.run("exec", "two", "-c", "b", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.returncode, done.stdout) == (7, b"out\n")
    assert done.stderr == b"err\ncommand terminated with exit code 7\n"
    big = os.urandom(3_000_000)
    assert two.run("exec", "-i", "two", "--", "cat", stdin=big).stdout == big


def read_until(fd: int, text: bytes) -> bytes:
    """What a terminal shows, up to and with ``text``."""
    seen = b""
    deadline = time.monotonic() + 30
    while text not in seen:
        assert select.select([fd], [], [], deadline - time.monotonic())[0], f"no {text!r} in {seen!r}"
        try:
            data = os.read(fd, 4096)
        except OSError:
            break
        seen += data
    assert text in seen, seen
    return seen


def test_a_terminal(two: Pyrt) -> None:
    child, fd = pty.fork()
    if child == 0:
        os.execve(sys.executable, [*two.command, "exec", "-it", "two", "-c", "b", "--", "sh"], two.environment)
    try:
        read_until(fd, b"# ")
        termios.tcsetwinsize(fd, (33, 101))
        os.write(fd, b"until [ \"$(stty size)\" = '33 101' ]; do :; done; echo re''sized; tty\n")
        read_until(fd, b"resized\r\n/dev/pts/")
        os.write(fd, b"echo go''ing; sleep 1000\n")
        read_until(fd, b"going")
        os.write(fd, b"\x03")  # Ctrl-C goes to the container, not to us
        read_until(fd, b"# ")
        os.write(fd, b"exit 5\n")
        read_until(fd, b"command terminated with exit code 5")
        _, status = os.waitpid(child, 0)
        child = 0
        assert os.waitstatus_to_exitcode(status) == 5
    finally:
        if child:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        os.close(fd)


def test_run_in_the_foreground(pyrt: Pyrt) -> None:
    words = ("run", "fg", "--rm", "-i", "--restart=Never", f"--image={IMAGE}", "--", "sh", "-c", "cat; exit 4")
    done = pyrt.run(*words, stdin=b"input\n")
    assert (done.returncode, done.stdout) == (4, b'input\npod "fg" deleted\n')
    assert b"pod default/fg terminated (Error)" in done.stderr


def test_copies(two: Pyrt) -> None:
    source = two.directory / "source"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "file").write_bytes(os.urandom(500_000))
    two("cp", str(source), "two:/tmp", "-c", "b")
    two("exec", "two", "-c", "b", "--", "ln", "-s", "/etc/passwd", "/tmp/source/link")
    back = two.directory / "back"
    done = two.run("cp", "default/two:/tmp/source", str(back), "-c", "b")
    assert (done.returncode, b"skipping symlink" in done.stderr) == (0, True)
    assert (back / "deep" / "file").read_bytes() == (source / "deep" / "file").read_bytes()
    assert not (back / "link").exists()
    assert two.run("cp", "two:/nowhere", str(two.directory / "x"), "-c", "b").returncode != 0


def test_port_forward(two: Pyrt) -> None:
    with two.start("port-forward", "two", ":80") as forwarder:
        assert forwarder.stdout is not None
        line = forwarder.stdout.readline().decode()
        assert line.startswith("Forwarding from 127.0.0.1:")
        port = int(line.split(":")[1].split()[0])
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as page:
            assert page.read() == b"page\n"
        with socket.create_connection(("127.0.0.1", port), timeout=30) as raw:
            raw.sendall(b"GET / HTTP/1.0\r\n\r\n")
            raw.shutdown(socket.SHUT_WR)
            assert b"page" in b"".join(iter(lambda: raw.recv(4096), b""))
        forwarder.terminate()


def test_watch(pyrt: Pyrt) -> None:
    with pyrt.start("get", "pods", "-w", "--no-headers") as watcher:
        assert watcher.stdout is not None
        pyrt("run", "seen", f"--image={IMAGE}", "--restart=Never", "--", "true")
        seen = watcher.stdout.readline().split()
        assert seen[0] == b"seen"
        while b"Completed" not in seen:
            seen = watcher.stdout.readline().split()
        watcher.terminate()
    pyrt("delete", "pod", "seen")


def test_images_and_system(pyrt: Pyrt) -> None:
    assert pyrt("image", "ls", "-o", "name") == f"docker.io/library/{IMAGE}\n"
    assert pyrt("image", "inspect", IMAGE, "-o", "jsonpath={.config.cmd}") == '["sh"]'
    saved = pyrt.directory / "saved.tar"
    pyrt("image", "save", IMAGE, "-o", str(saved))
    assert pyrt("image", "import", str(saved)) == f"Imported docker.io/library/{IMAGE}\n"
    assert pyrt.run("image", "rm", "nothing:here").returncode == 1
    assert pyrt("system", "df").splitlines()[0].split() == ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"]
    assert "Version" in pyrt("system", "info")
    assert "Server Version: v" in pyrt("version")
    assert "pods" in pyrt("api-resources", "-o", "name").split()
    done = pyrt.run("system", "check")
    assert done.returncode == 0, done.stdout.decode()


def test_explain_knows_the_image(pyrt: Pyrt) -> None:
    text = pyrt("explain", "-f", "-", stdin=PODS.encode())
    assert "on this machine" in text
    assert "exec" in text
    assert pyrt("get", "pods", "-o", "name") == ""
