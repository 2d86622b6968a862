"""CRI runtimes to hold the suites against, each with nothing that meets another's: pyrt, and Debian's containerd."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from toolchain import ROOT, program

from pyrt.config import Config, dump_config, for_instance
from pyrt.config.images import Mirror
from rootfs import build, registry

_PATIENCE = 60.0
"""Seconds until something that was started must answer."""


@dataclass
class Runtime:
    """A runtime that answers on ``socket``."""

    name: str
    directory: Path
    socket: Path
    log: Path
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    config: Config | None = field(default=None, repr=False)

    @property
    def endpoint(self) -> str:
        """As cri-tools and the kubelet want it."""
        return f"unix://{self.socket}"


@contextlib.contextmanager
def scratch(name: str) -> Iterator[Path]:
    """A directory that others may pass through, on a file system where overlays can be mounted. Its path is short."""
    directory = Path(tempfile.mkdtemp(prefix=f"pyrt-{name}-", dir="/var/tmp"))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def images(directory: Path, *recipes: str) -> Iterator[str]:
    """The URL of a registry on the loopback that has the images of these recipes."""
    layout = build.cached(recipes)
    port = registry.free_port()
    registry.start(directory, port)
    try:
        registry.push(layout, f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"
    finally:
        registry.stop(directory)


@contextlib.contextmanager
def pyrt(directory: Path, url: str, mirrored: Sequence[str], name: str = "conformance") -> Iterator[Runtime]:
    """A daemon of its own, serving CRI. Afterwards everything of it is gone."""
    config = for_instance(directory, name)
    config = msgspec.structs.replace(
        config,
        cri=msgspec.structs.replace(config.cri, enabled=True),
        images=msgspec.structs.replace(config.images, mirrors={host: Mirror(url=url) for host in mirrored}),
    )
    (directory / "config.toml").write_text(dump_config(config))
    runtime = Runtime("pyrt", directory, config.cri_socket, directory / "pyrt.log", config=config)
    try:
        start_pyrt(runtime)
        yield runtime
    finally:
        end(runtime.process)
        done = _pyrt(runtime, "system", "reset", "--yes")
        if done.returncode:
            print(f"pyrt system reset: exit code {done.returncode}: {done.stdout}{done.stderr}", file=sys.stderr)


def start_pyrt(runtime: Runtime) -> None:
    """Start the daemon (again) and wait until its CRI socket answers."""
    with runtime.log.open("ab") as log:
        runtime.process = subprocess.Popen(
            [sys.executable, "-m", "pyrt.cli", "--config", str(runtime.directory / "config.toml"), "daemon"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=ROOT,
            start_new_session=True,
        )
    _answers(runtime)


def _pyrt(runtime: Runtime, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pyrt.cli", "--config", str(runtime.directory / "config.toml"), *words]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=ROOT)


@contextlib.contextmanager
def containerd(directory: Path, url: str, mirrored: Sequence[str], handler: str = "runc") -> Iterator[Runtime]:
    """Debian's containerd with the bridge plugin and runc, or what ``handler`` names in its place. Afterwards its
    directories, bridge and shims are gone.
    """
    runtime = Runtime("containerd", directory, directory / "containerd.sock", directory / "containerd.log")
    bridge = "pc" + hashlib.sha256(str(directory).encode()).hexdigest()[:6]
    _write_containerd(runtime, url, mirrored, bridge, handler)
    with runtime.log.open("ab") as log:
        runtime.process = subprocess.Popen(
            ["containerd", "--config", str(directory / "containerd.toml")],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _answers(runtime)
        yield runtime
    finally:
        # Only its own plugins know what they have put into the firewall for its pods.
        crictl = program("cri-tools", "sigs.k8s.io/cri-tools/cmd/crictl")
        subprocess.run([str(crictl), "-r", runtime.endpoint, "rmp", "--all", "--force"], capture_output=True)
        end(runtime.process)
        _sweep(directory, bridge)


def _write_containerd(runtime: Runtime, url: str, mirrored: Sequence[str], bridge: str, handler: str) -> None:
    home = runtime.directory
    for host in mirrored:
        (home / "hosts" / host).mkdir(parents=True)
        (home / "hosts" / host / "hosts.toml").write_text(f'[host."{url}"]\n  capabilities = ["pull", "resolve"]\n')
    (home / "cni").mkdir()
    # A subnet that neither pyrt's instances nor Debian's other runtimes take.
    subnets = [[{"subnet": "10.230.200.0/22"}], [{"subnet": "fd0c:5079:c0::/64"}]]
    routes = [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]
    ipam = {"type": "host-local", "ranges": subnets, "routes": routes, "dataDir": str(home / "ipam")}
    chain = [
        {"type": "bridge", "bridge": bridge, "isGateway": True, "ipMasq": True, "promiscMode": True, "ipam": ipam},
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ]
    network = {"cniVersion": "1.0.0", "name": bridge, "plugins": chain}
    (home / "cni/10-bridge.conflist").write_text(json.dumps(network))
    # Negative scores and higher limits need CAP_SYS_RESOURCE, which a container that tests run in may not have.
    (home / "containerd.toml").write_text(
        f"""\
version = 2
root = "{home}/root"
state = "{home}/state"
[grpc]
  address = "{runtime.socket}"
[ttrpc]
  address = "{home}/ttrpc.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "{home}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "registry.k8s.io/pause:3.6"
  restrict_oom_score_adj = true
  disable_apparmor = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{home}/cni"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{home}/hosts"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
      BinaryName = "{handler}"
      Root = "{home}/handler"
"""
    )


def _sweep(directory: Path, bridge: str) -> None:
    """Shims outlive containerd on purpose, and with them containers, mounts and namespaces."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().split(b"\0")
            if words[0].endswith(b"containerd-shim-runc-v2") and str(directory).encode() in b"\0".join(words):
                subprocess.run(["kill", "-9", process.name], check=False, capture_output=True)
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for mount in reversed([path for path in mounts if path.startswith(f"{directory}/")]):
        subprocess.run(["umount", "-l", mount], check=False, capture_output=True)
    subprocess.run(["ip", "link", "delete", bridge], check=False, capture_output=True)


def _answers(runtime: Runtime) -> None:
    deadline = time.monotonic() + _PATIENCE
    process = runtime.process
    assert process is not None
    while True:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(runtime.socket))
            return
        if process.poll() is not None or time.monotonic() > deadline:
            end(process)
            raise SystemExit(f"{runtime.name} did not start:\n{runtime.log.read_text(errors='replace')[-3000:]}")
        time.sleep(0.02)


def end(process: subprocess.Popen[bytes] | None) -> None:
    """SIGTERM, and SIGKILL to who does not listen."""
    if process is None or process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
