"""A real daemon in a process of its own, spoken to over its socket; and the image that its pods run."""

import gzip
import hashlib
import io
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import pytest

from pyrt.client.http import Request, send
from pyrt.client.remotecommand import STDERR, STDOUT, exit_code, open_remote
from pyrt.config import dump_config, for_instance
from pyrt.network import Network
from pyrt.store import Store

IMAGE = "busybox:1.36"
PODS = "/api/v1/namespaces/default/pods"
PATIENCE = 120 if os.environ.get("PYRT_TEST_VM") else 30
"""Seconds after which a test gives up. Nothing is asserted about how long things take."""


@pytest.fixture(scope="session")
def layout(busybox_root, tmp_path_factory):
    """An OCI layout with one image of one layer: busybox."""
    directory = tmp_path_factory.mktemp("layout")
    blobs = directory / "blobs/sha256"
    blobs.mkdir(parents=True)

    def put(data, media):
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"mediaType": f"application/vnd.oci.image.{media}", "digest": f"sha256:{digest}", "size": len(data)}

    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        for entry in sorted(busybox_root.rglob("*")):
            archive.add(entry, str(entry.relative_to(busybox_root)), recursive=False)
    layer = put(gzip.compress(plain.getvalue(), 1), "layer.v1.tar+gzip")
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": ["PATH=/bin"], "Cmd": ["sh"]},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(plain.getvalue()).hexdigest()]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": put(json.dumps(config).encode(), "config.v1+json"),
        "layers": [layer],
    }
    entry = put(json.dumps(manifest).encode(), "manifest.v1+json")
    entry["annotations"] = {"org.opencontainers.image.ref.name": f"docker.io/library/{IMAGE}"}
    (directory / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (directory / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return directory


class ApiFailure(Exception):  # noqa: N818
    """An answer other than 2xx: its Status."""

    def __init__(self, status):
        super().__init__(status.get("message"))
        self.status = status


class Daemon:
    """One daemon, which can be killed and started again, and the requests that tests make."""

    def __init__(self, directory, config, log="daemon.log"):
        self.config = config
        self.file = directory / "config.toml"
        self.file.write_text(dump_config(self.config))
        self.log = directory / log
        self.process = None
        self.wrapper = []
        """Words before the daemon's command line."""

    @property
    def socket(self):
        return str(self.config.api_socket)

    def start(self, **environment):
        code = "import sys; from pyrt.daemon import run; sys.exit(run(sys.argv[1], log_level='DEBUG'))"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.wrapper, sys.executable, "-c", code, str(self.file)],
                stdout=log,
                stderr=log,
                env=os.environ | environment,
                start_new_session=True,
            )
        self.until(self._ready)
        return self

    def _ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the daemon ended: {self.log.read_text()}")
        try:
            with send(self.socket, Request("GET", "/readyz", {}), timeout=5) as response:
                return response.status == 200
        except Exception as error:
            if isinstance(error, AssertionError):
                raise
            return False

    def kill(self):
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(PATIENCE) == 0, self.log.read_text()

    def until(self, condition):
        """Wait for a condition and return what it returned."""
        deadline = time.monotonic() + PATIENCE
        while not (found := condition()):
            if time.monotonic() > deadline:
                pods = self.call("GET", PODS)["items"] if self.process.poll() is None else []
                told = "\n".join(f"{pod['metadata']['name']}: {json.dumps(pod['status'])}" for pod in pods)
                raise AssertionError(f"waited in vain\n{told}\nthe daemon's log:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.01)
        return found

    # requests

    def call(self, method, target, body=None, headers=None):
        data = json.dumps(body).encode() if body is not None else b""
        headers = {"Content-Type": "application/json", **(headers or {})} if data else headers or {}
        with send(self.socket, Request(method, target, headers, data), timeout=PATIENCE) as response:
            text = response.read()
            if response.status >= 300:
                raise ApiFailure(json.loads(text))
            return json.loads(text) if response.headers.get("content-type", "").startswith("application/json") else text

    def get(self, name):
        try:
            return self.call("GET", f"{PODS}/{name}")
        except ApiFailure as failure:
            if failure.status["code"] == 404:
                return None
            raise

    def create(self, manifest):
        return self.call("POST", PODS, manifest)

    def delete(self, name, grace=None):
        return self.call("DELETE", f"{PODS}/{name}" + (f"?gracePeriodSeconds={grace}" if grace is not None else ""))

    def gone(self, name):
        self.until(lambda: self.get(name) is None)

    def phase(self, name, *phases):
        """Wait until the pod is in one of the phases; the pod."""

        def look():
            pod = self.get(name)
            return pod if pod is not None and pod["status"]["phase"] in phases else None

        return self.until(look)

    def running(self, name):
        """Wait until every container runs."""

        def look():
            pod = self.get(name)
            statuses = pod["status"].get("containerStatuses", []) if pod is not None else []
            return pod if statuses and all("running" in s["state"] for s in statuses) else None

        return self.until(look)

    def logs(self, name, query=""):
        return self.call("GET", f"{PODS}/{name}/log{query}").decode()

    def exec(self, name, *command, stdin=None, query=""):
        """(exit code, stdout, stderr) of a command."""
        words = "&".join(f"command={word}" for word in map(_quoted, command))
        flags = "stdout=true&stderr=true" + ("&stdin=true" if stdin is not None else "")
        stream = open_remote(self.socket, f"{PODS}/{name}/exec?{flags}&{words}{query}")
        if stdin is not None:
            stream.send_stdin(stdin)
            stream.close_stdin()
        output = {STDOUT: b"", STDERR: b""}
        while not stream.closed:
            for channel, data in stream.receive():
                output[channel] += data
        stream.close()
        return exit_code(stream.status), output[STDOUT].decode(), output[STDERR].decode()

    def events(self, name):
        uid = self.get(name)["metadata"]["uid"]
        target = f"/api/v1/namespaces/default/events?fieldSelector=involvedObject.uid={uid}"
        return self.call("GET", target)["items"]

    def event(self, name, reason):
        """Wait for an event; its message."""
        found = self.until(lambda: [e for e in self.events(name) if e["reason"] == reason])
        return found[0]["message"]

    def pod_processes(self):
        """Pids of this instance's pod processes."""
        run = os.fsencode(self.config.paths.run / "pods")
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    line = (entry / "cmdline").read_bytes()
                    cwd = os.readlink(entry / "cwd")
                except OSError:
                    continue
                if b"pyrt-pod" in line and (run in line or cwd.startswith(str(self.config.paths.run))):
                    found.append(int(entry.name))
        return found

    def leftovers(self):
        """What this instance still has on the machine: cgroups, mounts, links, directories."""
        parent, prefix = self.config.cgroup.parent, self.config.network.interface_prefix
        found = [
            os.path.join(directory, name)
            for top in cgroups(parent)
            for directory, names, _ in os.walk(top)
            for name in names
            if name.startswith("pod")
        ]
        found += [name for name in os.listdir("/sys/class/net") if name.startswith(prefix)]
        root = str(self.config.paths.run)
        found += [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if root in line]
        for path in (self.config.paths.run / "pods", self.config.paths.root / "pods", self.config.paths.logs):
            found += [str(entry) for entry in path.iterdir()] if path.exists() else []
        return found


def cgroups(parent):
    """An instance's directory in every hierarchy: one for each controller of v1, and that of v2."""
    root = Path("/sys/fs/cgroup")
    return [path for path in (root / parent, *root.glob(f"*/{parent}")) if path.is_dir()]


def _quoted(word):
    from urllib.parse import quote

    return quote(word, safe="")


def start(layout, name):
    directory = Path(tempfile.mkdtemp(prefix="pyrt-d-", dir="/tmp" if os.environ.get("PYRT_TEST_VM") else "/var/tmp"))
    directory.chmod(0o755)
    daemon = Daemon(directory, for_instance(directory, f"{name}-{secrets.token_hex(3)}")).start()
    daemon.call("POST", f"/apis/pyrt.dev/v1/images/import?path={layout}")
    return daemon


def finish(daemon):
    """Delete every pod, stop the daemon, and prove that nothing is left."""
    if daemon.process.poll() is not None:
        daemon.start()
    for pod in daemon.call("GET", PODS)["items"]:
        daemon.delete(pod["metadata"]["name"], 0)
    daemon.until(lambda: not daemon.leftovers())
    assert daemon.pod_processes() == []
    daemon.stop()
    for path in cgroups(daemon.config.cgroup.parent):
        for directory in sorted((p for p in path.rglob("*") if p.is_dir()), reverse=True):
            directory.rmdir()
        path.rmdir()
    with Store(daemon.config.paths.root) as store:
        Network(daemon.config, store).uninstall()  # nftables, sysctls, and the addresses on lo
    log = daemon.log.read_text()
    shutil.rmtree(daemon.file.parent)
    assert "Traceback" not in log, log


@pytest.fixture(scope="module")
def shared(layout):
    """A daemon for the tests of one file; each names its pods as it likes."""
    daemon = start(layout, "shared")
    yield daemon
    finish(daemon)


@pytest.fixture
def daemon(shared):
    """The shared daemon, without pods at the end of the test."""
    yield shared
    for pod in shared.call("GET", PODS)["items"]:
        shared.delete(pod["metadata"]["name"], 0)
    shared.until(lambda: not shared.leftovers())


@pytest.fixture
def own_daemon(layout):
    """A daemon for one test, which may kill it."""
    daemon = start(layout, "own")
    yield daemon
    finish(daemon)


def make_pod(name, *command, container=None, **spec):
    """A pod that runs one shell command, never restarted unless the test says so."""
    first = {"name": "app", "image": IMAGE, "command": ["sh", "-c", *command] if len(command) == 1 else list(command)}
    first |= container or {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 5, "containers": [first], **spec},
    }


@pytest.fixture
def pod():
    return make_pod
