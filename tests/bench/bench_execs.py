"""Thousands of commands in one container, through every door of CRI: nothing may be left behind.

    bench_execs.py [--count N] [--workers N]

Of ten commands one runs over SPDY, one in a while over WebSocket, attached, with a terminal, or through a forwarded
port; some cannot be started, some are left in the middle by their client, the others run through ExecSync. After a
warm-up, and at the end: the descriptors, memory, threads and processes of the daemon and of the pod process, and the
files of the sandbox. The last line is ``N commands, N left``; the exit code is 0 if nothing is left.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import grpc
import harness
import msgspec
from daemon import IMAGE, docker_archive
from google.protobuf.message_factory import GetMessageClass

from pyrt.client.api import Api
from pyrt.client.errors import ClientError
from pyrt.config import Config, dump_config, for_instance
from pyrt.cri import runtime_pb2 as cri

sys.path.insert(0, str(harness.ROOT))
from tests.integration.cri.streaming_client import Command, Spdy, WebSocket

PATIENCE = 60
WARM_UP = 1000
GROWTH = 4 * 1024
"""KiB of memory that the daemon may have more than after the warm-up: allocators breathe."""
FOREVER = ["sh", "-c", "while :; do sleep 1000000 & wait $!; done"]
"""A process 1 that reaps what others leave to it."""
_METHODS = {m.name: (s, m) for s in cri.DESCRIPTOR.services_by_name.values() for m in s.methods}


class Kubelet:
    """Methods of the contract by name."""

    def __init__(self, socket: Path) -> None:
        self.channel = grpc.insecure_channel(f"unix:{socket}")

    def call(self, name: str, deadline: float = PATIENCE, **fields: object):  # type: ignore[no-untyped-def]
        service, method = _METHODS[name]
        send = self.channel.unary_unary(
            f"/{service.full_name}/{name}",
            request_serializer=GetMessageClass(method.input_type).SerializeToString,
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )
        return send(GetMessageClass(method.input_type)(**fields), timeout=deadline)


@dataclass(frozen=True)
class State:
    """What could grow."""

    daemon_descriptors: int
    daemon_threads: int
    daemon_kib: int
    pod_descriptors: int
    pod_threads: int
    pod_kib: int
    processes: int
    """In the pod's cgroups' eyes: descendants of the pod process."""
    files: int
    """Of the sandbox, in the run directory."""


def status(pid: int, key: str) -> int:
    """A number of /proc/PID/status."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.split(f"{key}:")[1].split()[0])


def descendants(pid: int) -> int:
    """Processes below this one, of any depth."""
    children = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return len(children) + sum(map(descendants, children))


class Bench:
    """One sandbox with two containers: one to run commands in, one that echoes on a port and on its stdin."""

    def __init__(self, kubelet: Kubelet, daemon_pid: int, config: Config) -> None:
        self.kubelet = kubelet
        self._daemon = daemon_pid
        self._run = config.paths.run
        metadata = cri.PodSandboxMetadata(name="execs", namespace="default", uid="execs")
        options = cri.NamespaceOption(pid=cri.CONTAINER)  # as a kubelet has it
        linux = cri.LinuxPodSandboxConfig(security_context=cri.LinuxSandboxSecurityContext(namespace_options=options))
        self._pod = cri.PodSandboxConfig(metadata=metadata, hostname="execs", linux=linux)
        security = cri.LinuxContainerSecurityContext(namespace_options=options)
        self._linux = cri.LinuxContainerConfig(security_context=security)
        self.sandbox = kubelet.call("RunPodSandbox", config=self._pod).pod_sandbox_id
        self.app = self._container("app", FOREVER)
        echo = "nc -ll -p 7000 -e cat & while read line; do echo $line; done"
        self.echo = self._container("echo", ["sh", "-c", echo], stdin=True)
        info = kubelet.call("PodSandboxStatus", pod_sandbox_id=self.sandbox, verbose=True).info["info"]
        self._pod_process = msgspec.json.decode(info)["pid"]
        self.done: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._next = 0

    def _container(self, name: str, command: list[str], **fields: object) -> str:
        config = cri.ContainerConfig(
            metadata=cri.ContainerMetadata(name=name),
            image=cri.ImageSpec(image=IMAGE),
            command=command,
            linux=self._linux,
            **fields,
        )
        container = self.kubelet.call(
            "CreateContainer", pod_sandbox_id=self.sandbox, config=config, sandbox_config=self._pod
        ).container_id
        self.kubelet.call("StartContainer", container_id=container)
        return str(container)

    def state(self) -> State:
        """Now."""
        daemon, pod = self._daemon, self._pod_process
        return State(
            len(os.listdir(f"/proc/{daemon}/fd")),
            status(daemon, "Threads"),
            status(daemon, "VmRSS"),
            len(os.listdir(f"/proc/{pod}/fd")),
            status(pod, "Threads"),
            status(pod, "VmRSS"),
            descendants(pod),
            sum(1 for path in self._run.rglob("*") if self.sandbox in str(path)),
        )

    def settled(self) -> State:
        """Once nothing of what was left in the middle is on its way any more."""
        kill = "kill -9 $(pidof sleep) 2>/dev/null; true"
        before, deadline = self.state(), time.monotonic() + 10
        while time.monotonic() < deadline:
            self._sync(kill)  # those whose client went away: CRI leaves them running
            time.sleep(0.5)
            now = self.state()
            if replace(now, daemon_kib=0, pod_kib=0) == replace(before, daemon_kib=0, pod_kib=0):
                break
            before = now
        return before

    # --- one command ----------------------------------------------------------------------------------------------

    def run(self, count: int, workers: int) -> None:
        """So many commands, by so many at a time."""
        self._next, self._end = 0, count
        failures: list[BaseException] = []

        def work() -> None:
            try:
                while (number := self._take()) is not None:
                    kind = kind_of(number)
                    getattr(self, f"do_{kind}")()
                    with self._lock:
                        self.done[kind] += 1
            except BaseException as error:
                failures.append(error)
                raise

        threads = [threading.Thread(target=work) for _ in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]

    def _take(self) -> int | None:
        with self._lock:
            if self._next == self._end:
                return None
            self._next += 1
            return self._next

    def _sync(self, command: str, **fields: object):  # type: ignore[no-untyped-def]
        return self.kubelet.call("ExecSync", container_id=self.app, cmd=["sh", "-c", command], **fields)

    def _exec(self, command: str, *kinds: str, tty: bool = False) -> Command:
        flags = {kind: True for kind in kinds if kind != "resize"}
        cmd = ["sh", "-c", command]
        return Command(self.kubelet.call("Exec", container_id=self.app, cmd=cmd, tty=tty, **flags).url, *kinds)

    def do_sync(self) -> None:
        answer = self.kubelet.call("ExecSync", container_id=self.app, cmd=["echo", "hello"])
        assert (answer.stdout, answer.exit_code) == (b"hello\n", 0)

    def do_spdy(self) -> None:
        command = self._exec("cat; exit 3", "stdin", "stdout", "stderr")
        command.type(b"hello" * 100)
        command.finish(command.streams["stdin"])
        assert command.end() == (3, b"hello" * 100, b"")

    def do_terminal(self) -> None:
        command = self._exec("read line; stty size", "stdin", "stdout", "resize", tty=True)
        command.resize(100, 30)
        command.type(b"go\n")
        assert b"30 100" in command.end()[1]

    def do_websocket(self) -> None:
        url = self.kubelet.call("Exec", container_id=self.app, cmd=["cat"], stdin=True, stdout=True).url
        socket = WebSocket(url, "v5.channel.k8s.io")
        socket.send(b"\x00hello")
        socket.send(b"\xff\x00")
        assert any(message == b"\x01hello" for message in socket.messages())

    def do_attach(self) -> None:
        command = Command(
            self.kubelet.call("Attach", container_id=self.echo, stdin=True, stdout=True).url, "stdin", "stdout"
        )
        command.type(b"hello\n")
        command.until(lambda: b"hello\n" in command.output())
        command.close()

    def do_port(self) -> None:
        forward = Spdy(self.kubelet.call("PortForward", pod_sandbox_id=self.sandbox).url, "portforward.k8s.io")
        for request in range(3):
            headers = {"port": "7000", "requestid": str(request)}
            forward.open("error", **headers)
            data = forward.open("data", **headers)
            forward.send(data, b"hello")
            forward.until(lambda data=data: forward.data[data] == b"hello")  # type: ignore[misc]
        forward.close()

    def do_nothing(self) -> None:
        with refused(grpc.StatusCode.UNKNOWN):
            self.kubelet.call("ExecSync", container_id=self.app, cmd=["/no/such/command"])

    def do_timeout(self) -> None:
        with refused(grpc.StatusCode.DEADLINE_EXCEEDED):
            self._sync("sleep 1000 & sleep 1000", deadline=0.05)

    def do_leave(self) -> None:
        self._exec("sleep 1000", "stdin", "stdout", "stderr").close()

    def do_unused(self) -> None:
        self.kubelet.call("Exec", container_id=self.app, cmd=["true"], stdout=True)


@contextmanager
def refused(code: grpc.StatusCode) -> Iterator[None]:
    """A call that must fail so."""
    try:
        yield
    except grpc.RpcError as error:
        if error.code() is not code:  # type: ignore[attr-defined]
            raise
    else:
        raise RuntimeError(f"expected {code.name}")


def kind_of(number: int) -> str:
    """What the command of this number is."""
    rare = {3: "terminal", 17: "websocket", 31: "attach", 47: "port", 59: "nothing", 67: "timeout", 73: "leave"}
    if number % 400 == 99:
        return "unused"
    return rare.get(number % 100, "spdy" if number % 10 == 0 else "sync")


@contextmanager
def node() -> Iterator[Bench]:
    """A daemon of our own, with its door for kubelets open."""
    directory = Path(tempfile.mkdtemp(prefix="pyrt-execs-", dir="/var/tmp"))
    directory.chmod(0o755)
    config = for_instance(directory, "execs")
    config = msgspec.structs.replace(config, cri=msgspec.structs.replace(config.cri, enabled=True))
    file, log = directory / "config.toml", directory / "daemon.log"
    file.write_text(dump_config(config))
    code = "import sys; from pyrt.daemon import run; sys.exit(run(sys.argv[1]))"
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-c", code, str(file)], stdout=output, stderr=output)
    api = Api(str(config.api_socket), timeout=PATIENCE)
    kubelet = Kubelet(config.cri_socket)
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                api.open("GET", "/readyz").close()
                break
            except ClientError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"the daemon did not start:\n{log.read_text()[-3000:]}") from None
                time.sleep(0.05)
        archive = docker_archive(directory, harness.busybox_root(directory))
        api.call("POST", "/apis/pyrt.dev/v1/images/import", {"path": str(archive), "tag": IMAGE})
        bench = Bench(kubelet, process.pid, config)
        yield bench
    finally:
        if process.poll() is None:
            for item in kubelet.call("ListPodSandbox").items:
                kubelet.call("RemovePodSandbox", pod_sandbox_id=item.id)
            kubelet.channel.close()
            cli = (sys.executable, "-m", "pyrt.cli", "--config", str(file))
            harness.run(*cli, "system", "reset", "--yes")
            if process.poll() is None:
                process.terminate()
            process.wait(PATIENCE)
    if b"Traceback" in log.read_bytes():
        raise RuntimeError(log.read_text()[-5000:])
    shutil.rmtree(directory)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=4)
    options = parser.parse_args()
    with node() as bench:
        bench.run(WARM_UP, options.workers)
        before = bench.settled()
        bench.done.clear()
        started = time.monotonic()
        bench.run(options.count, options.workers)
        seconds = time.monotonic() - started
        after = bench.settled()
        kinds = ", ".join(f"{count} {kind}" for kind, count in bench.done.most_common())
        harness.note(f"{options.count} in {seconds:.0f} s: {kinds}")
    left = 0
    for field in State.__dataclass_fields__:
        was, now = getattr(before, field), getattr(after, field)
        allowed = GROWTH if field.endswith("kib") else 0
        left += now - was > allowed
        print(f"{field.replace('_', ' '):20} {was:8} -> {now:8}")
    print(f"{options.count} commands, {left} left")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
