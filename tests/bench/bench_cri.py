"""What a kubelet waits for: a sandbox, a container, a list; and what 110 pods of its own cost the daemon.

Peer: the C floor. Through gRPC on the unix socket, warm, the client's own time included; the messages are as full as a
kubelet's.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import daemon
import grpc
import harness
from google.protobuf.message_factory import GetMessageClass

from pyrt.cri import runtime_pb2 as cri

ROUNDS = int(os.environ.get("PYRT_BENCH_ROUNDS", "60"))
PODS = 110
CONTAINERS = 200
LISTS = 200


class Runtime:
    """Methods of RuntimeService by name."""

    def __init__(self, socket: Path) -> None:
        channel = grpc.insecure_channel(f"unix:{socket}")
        for method in cri.DESCRIPTOR.services_by_name["RuntimeService"].methods:
            if not method.server_streaming:
                call = channel.unary_unary(
                    f"/runtime.v1.RuntimeService/{method.name}",
                    request_serializer=GetMessageClass(method.input_type).SerializeToString,
                    response_deserializer=GetMessageClass(method.output_type).FromString,
                )
                setattr(self, method.name, call)

    def __getattr__(self, name: str) -> Callable[[Any], Any]:
        raise AttributeError(name)


def sandbox(directory: Path, name: str) -> cri.PodSandboxConfig:
    """As a kubelet asks for it."""
    uid = f"{abs(hash(name)):032x}"[:32]
    return cri.PodSandboxConfig(
        metadata=cri.PodSandboxMetadata(name=name, namespace="default", uid=uid),
        hostname=name,
        log_directory=f"{directory}/logs/default_{name}_{uid}",
        dns_config=cri.DNSConfig(servers=["10.96.0.10"], searches=["default.svc.cluster.local"], options=["ndots:5"]),
        labels={
            "app": "bench",
            "io.kubernetes.pod.name": name,
            "io.kubernetes.pod.namespace": "default",
            "io.kubernetes.pod.uid": uid,
        },
        annotations={"kubernetes.io/config.seen": "2026-11-24T00:00:00Z", "kubernetes.io/config.source": "api"},
        linux=cri.LinuxPodSandboxConfig(
            security_context=cri.LinuxSandboxSecurityContext(namespace_options=_NAMESPACES)
        ),
    )


_NAMESPACES = cri.NamespaceOption(network=cri.POD, pid=cri.CONTAINER, ipc=cri.POD)


def container(directory: Path, pod: cri.PodSandboxConfig, name: str, *command: str) -> cri.ContainerConfig:
    """As a kubelet asks for it."""
    etc_hosts = directory / "etc-hosts"
    etc_hosts.touch()
    return cri.ContainerConfig(
        metadata=cri.ContainerMetadata(name=name),
        image=cri.ImageSpec(image=daemon.IMAGE, user_specified_image=daemon.IMAGE),
        command=command,
        envs=[cri.KeyValue(key=f"KUBERNETES_{number}", value=b"10.96.0.1") for number in range(8)],
        mounts=[cri.Mount(host_path=str(etc_hosts), container_path="/etc/hosts")],
        labels={**pod.labels, "io.kubernetes.container.name": name},
        annotations={
            "io.kubernetes.container.hash": "1e5f0c7",
            "io.kubernetes.container.restartCount": "0",
            "io.kubernetes.container.terminationMessagePath": "/dev/termination-log",
            "io.kubernetes.container.terminationMessagePolicy": "File",
            "io.kubernetes.pod.terminationGracePeriod": "30",
        },
        log_path=f"{name}/0.log",
        linux=cri.LinuxContainerConfig(
            resources=cri.LinuxContainerResources(cpu_period=100000, cpu_shares=102, oom_score_adj=1000),
            security_context=cri.LinuxContainerSecurityContext(namespace_options=_NAMESPACES),
        ),
    )


def start(runtime: Runtime, pod: str, config: cri.ContainerConfig, asked: cri.PodSandboxConfig) -> str:
    """CreateContainer and StartContainer; its id."""
    request = cri.CreateContainerRequest(pod_sandbox_id=pod, config=config, sandbox_config=asked)
    made = runtime.CreateContainer(request).container_id
    runtime.StartContainer(cri.StartContainerRequest(container_id=made))
    return made


def life(runtime: Runtime, directory: Path, rounds: int, times: dict[str, list[float]]) -> None:
    """Milliseconds of each step of a pod's life, one pod after another."""
    for number in range(rounds):
        asked = sandbox(directory, f"pod-{time.monotonic_ns()}-{number}")
        config = container(directory, asked, "app", "/bin/sleep", "100000")
        moments = [time.perf_counter_ns()]
        pod = runtime.RunPodSandbox(cri.RunPodSandboxRequest(config=asked)).pod_sandbox_id
        moments.append(time.perf_counter_ns())
        made = start(runtime, pod, config, asked)
        moments.append(time.perf_counter_ns())
        runtime.StopContainer(cri.StopContainerRequest(container_id=made, timeout=0))
        moments.append(time.perf_counter_ns())
        runtime.StopPodSandbox(cri.StopPodSandboxRequest(pod_sandbox_id=pod))
        moments.append(time.perf_counter_ns())
        runtime.RemovePodSandbox(cri.RemovePodSandboxRequest(pod_sandbox_id=pod))
        moments.append(time.perf_counter_ns())
        steps = ("run_sandbox", "create_and_start", "stop_container", "stop_sandbox", "remove_sandbox")
        for step, before, after in zip(steps, moments, moments[1:], strict=False):
            times.setdefault(step, []).append((after - before) / 1e6)


def main() -> None:
    with harness.scratch() as directory:
        rootfs = harness.busybox_root(directory)
        # pyrt's own network, whatever CNI configuration this machine has.
        settings = f'[cri]\nenabled = true\n[cni]\nconf_dir = "{directory}/cni"\n'
        with daemon.daemon(directory, rootfs, settings) as server:
            runtime = Runtime(server.socket.with_name("cri.sock"))
            life(runtime, directory, 5, {})
            times: dict[str, list[float]] = {}
            floors: dict[str, list[float]] = {}
            for _ in range(4):
                for name, value in harness.floor(directory, rootfs, max(ROUNDS // 4, 10)).items():
                    floors.setdefault(name, []).append(value / 1000)
                life(runtime, directory, ROUNDS // 4, times)
            floor_of = {"run_sandbox": "sandbox_us", "create_and_start": "container_us"}
            for step, taken in times.items():
                peer = statistics.median(floors[floor_of[step]]) if step in floor_of else None
                harness.row("cri", step, statistics.median(taken), "ms", "floor" if peer else "", peer)
                harness.row("cri", f"{step}_p99", sorted(taken)[int(len(taken) * 0.99)], "ms")
            crowd(runtime, directory, server.pid)


def crowd(runtime: Runtime, directory: Path, pid: int) -> None:
    """As many pods as a kubelet may have."""
    empty = harness.rss_mib(pid)
    pods = []
    for number in range(PODS):
        asked = sandbox(directory, f"idle-{number}")
        pod = runtime.RunPodSandbox(cri.RunPodSandboxRequest(config=asked)).pod_sandbox_id
        pods.append((pod, asked))
        start(runtime, pod, container(directory, asked, "app", "/bin/sleep", "100000"), asked)
    time.sleep(1)
    harness.row("cri", "daemon_rss_mib_no_pods", empty, "MiB")
    harness.row("cri", f"daemon_rss_mib_{PODS}_pods", harness.rss_mib(pid), "MiB")
    for pod, asked in pods[: CONTAINERS - PODS]:
        start(runtime, pod, container(directory, asked, "beside", "/bin/sleep", "100000"), asked)
    for name, ask in (
        (f"list_containers_{CONTAINERS}", lambda: runtime.ListContainers(cri.ListContainersRequest())),
        (f"list_sandboxes_{PODS}", lambda: runtime.ListPodSandbox(cri.ListPodSandboxRequest())),
    ):
        taken = [harness.milliseconds(ask) for _ in range(LISTS)]
        harness.row("cri", name, statistics.median(taken), "ms")
        harness.row("cri", f"{name}_p99", sorted(taken)[int(len(taken) * 0.99)], "ms")
    taken = []
    for item in runtime.ListContainers(cri.ListContainersRequest()).containers:
        taken.append(
            harness.milliseconds(
                lambda key=item.id: runtime.ContainerStatus(cri.ContainerStatusRequest(container_id=key))
            )
        )
    harness.row("cri", "container_status", statistics.median(taken), "ms")
    for pod, _ in pods:
        runtime.RemovePodSandbox(cri.RemovePodSandboxRequest(pod_sandbox_id=pod))


if __name__ == "__main__":
    main()
