"""From a Pod to what the runtime is asked: one SandboxConfig, and a ContainerConfig for each instance of a container.

Pure: ``pyrt explain`` calls the same functions without a daemon and without root.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from pyrt.ids import ImageId
from pyrt.images.types import Image
from pyrt.kube.container import Container, EphemeralContainer
from pyrt.kube.expand import expand
from pyrt.kube.pod import Pod
from pyrt.kube.qos import qos_class
from pyrt.kube.resources import ResourceRequirements
from pyrt.launch.context import UserNamespace
from pyrt.network.types import HostPort
from pyrt.pods.compute import cgroup_parent, container_resources, oom_score_adj, pod_resources
from pyrt.pods.dns import pod_dns
from pyrt.pods.environment import NOWHERE, Sources, environment
from pyrt.pods.errors import SandboxConfigError
from pyrt.pods.facts import NodeFacts
from pyrt.pods.hosts import host_network_hosts, hostname_of, pod_hosts
from pyrt.pods.model import BackOff
from pyrt.pods.mounts import container_mount
from pyrt.pods.privileges import check_non_root, container_security
from pyrt.runtime.config import (
    ContainerConfig,
    ImageMount,
    Mount,
    NamespaceMode,
    PodMetadata,
    SandboxConfig,
    TmpfsMount,
)
from pyrt.volumes.types import PreparedVolume

BACK_OFF: Final = "pyrt.dev/back-off"
RESOURCES: Final = "pyrt.dev/resources"
"""What a container's cgroup has, in the spec's words: a resize compares with it."""
STARTED_AT: Final = "pyrt.dev/accepted-at"
TERMINATION_LOG: Final = "/dev/termination-log"


def log_directory(pod: Pod, facts: NodeFacts) -> Path:
    """``/var/log/pods/<namespace>_<name>_<uid>``."""
    meta = pod.metadata
    return Path(f"{facts.logs}/{meta.namespace}_{meta.name}_{meta.uid}")


def log_path(name: str, attempt: int) -> Path:
    """A container's log, relative to :func:`log_directory`."""
    return Path(f"{name}/{attempt}.log")


def pod_directory(uid: str, facts: NodeFacts) -> Path:
    """Where a pod's volumes and termination messages are."""
    return facts.pods / uid


def termination_file(pod: Pod, name: str, attempt: int, facts: NodeFacts) -> Path:
    """The host's side of ``terminationMessagePath``, a file for each instance."""
    # One path parsed, not five joined: this is asked several times for each container.
    return Path(f"{facts.pods}/{pod.metadata.uid}/{name}.{attempt}.message")


def sandbox_config(
    pod: Pod,
    facts: NodeFacts,
    *,
    attempt: int,
    accepted_at: int,
    volumes: Mapping[str, PreparedVolume],
    user_namespace: UserNamespace | None = None,
) -> SandboxConfig:
    """The sandbox of a pod; ``user_namespace``: of one with ``hostUsers: false``.

    Raises
    ------
    SandboxConfigError: the hostname cannot be.
    """
    meta, spec = pod.metadata, pod.spec
    try:
        hostname, fqdn = hostname_of(pod, facts.name, facts.cluster.domain)
    except ValueError as error:
        raise SandboxConfigError(str(error)) from error
    hosts = (
        host_network_hosts(facts.host_hosts, spec.host_aliases) if spec.host_network else pod_hosts(spec.host_aliases)
    )
    return SandboxConfig(
        metadata=PodMetadata(meta.name, meta.namespace, meta.uid, attempt),
        hostname=hostname,
        log_directory=log_directory(pod, facts),
        dns=pod_dns(pod, facts.host_dns, facts.cluster).config,
        hosts=hosts,
        fqdn=fqdn,
        host_ports=() if spec.host_network else host_ports(pod),
        network=NamespaceMode.NODE if spec.host_network else NamespaceMode.POD,
        pid=_pid_mode(pod),
        ipc=NamespaceMode.NODE if spec.host_ipc else NamespaceMode.POD,
        cgroup_parent=cgroup_parent(meta.uid, qos_class(pod)),
        resources=pod_resources(pod, facts.pids_limit),
        user_namespace=user_namespace,
        sysctls={sysctl.name: sysctl.value for sysctl in spec.security_context.sysctls}
        if spec.security_context
        else {},
        annotations={STARTED_AT: str(accepted_at)},
        tmpfs_mounts=tuple(
            TmpfsMount(volume.path, volume.tmpfs.size, volume.tmpfs.mode, volume.tmpfs.gid, volume.tmpfs.huge_pages)
            for volume in volumes.values()
            if volume.tmpfs is not None
        ),
        image_mounts=tuple(
            ImageMount(volume.path, volume.layers, volume.image or ImageId(""))  # "": only explained
            for volume in volumes.values()
            if volume.layers
        ),
    )


def dns_warnings(pod: Pod, facts: NodeFacts) -> tuple[tuple[str, str], ...]:
    """What is to be said about the pod's resolv.conf: (event reason, message)."""
    return pod_dns(pod, facts.host_dns, facts.cluster).warnings


def _pid_mode(pod: Pod) -> NamespaceMode:
    if pod.spec.host_pid:
        return NamespaceMode.NODE
    return NamespaceMode.POD if pod.spec.share_process_namespace else NamespaceMode.CONTAINER


def can_wait(pod: Pod) -> bool:
    """Whether nobody misses what a pod still has: its containers have ended, and it holds no port of the host's."""
    return pod.status.phase in ("Succeeded", "Failed") and not host_ports(pod)


def host_ports(pod: Pod) -> tuple[HostPort, ...]:
    """What the pod publishes on the host."""
    found = []
    for container in (*pod.spec.init_containers, *pod.spec.containers):
        for port in container.ports:
            if port.host_port:
                protocol = port.protocol.lower() or "tcp"
                assert protocol in ("tcp", "udp", "sctp")
                found.append(HostPort(protocol, port.host_port, port.container_port, port.host_ip))  # type: ignore[arg-type]
    return tuple(found)


def container_config(
    pod: Pod,
    container: Container | EphemeralContainer,
    facts: NodeFacts,
    *,
    attempt: int,
    image: Image,
    volumes: Mapping[str, PreparedVolume],
    addresses: Sequence[str] = (),
    back_off: BackOff | None = None,
    pid_target: str = "",
    sources: Sources = NOWHERE,
) -> ContainerConfig:
    """One instance of a container.

    Raises
    ------
    ContainerConfigError: an environment variable's source or a mount's volume is missing; it would run as root.
    """
    check_non_root(pod, container, image.config.user)
    variables = environment(pod, container, facts, addresses, sources)
    qos = qos_class(pod)
    mounts = [container_mount(mount, volumes, variables) for mount in container.volume_mounts]
    if container.termination_message_path:
        mounts.append(
            Mount(
                _absolute(container.termination_message_path),
                termination_file(pod, container.name, attempt, facts),
                description="termination message",
            )
        )
    return ContainerConfig(
        name=container.name,
        attempt=attempt,
        image=image,
        image_ref=container.image,
        log_path=log_path(container.name, attempt),
        command=tuple(expand(word, variables) for word in container.command),
        args=tuple(expand(word, variables) for word in container.args),
        working_dir=container.working_dir,
        env=tuple(variables.items()),
        mounts=tuple(mounts),
        stdin=container.stdin,
        stdin_once=container.stdin_once,
        tty=container.tty,
        resources=container_resources(container.resources),
        security=container_security(
            pod,
            container,
            oom_score_adj=oom_score_adj(pod, container, qos, facts.memory_capacity),
            seccomp_root=facts.seccomp_root,
            apparmor=facts.apparmor_profile if facts.apparmor else None,
        ),
        pid_target=pid_target,
        stop_signal=(container.lifecycle.stop_signal or "") if container.lifecycle is not None else "",
        annotations=_annotations(container.resources, back_off),
    )


def _annotations(resources: ResourceRequirements, back_off: BackOff | None) -> dict[str, str]:
    found = {BACK_OFF: back_off.encode()} if back_off is not None else {}
    return found | resources_annotation(resources) if resources.limits or resources.requests else found


def resources_annotation(resources: ResourceRequirements) -> dict[str, str]:
    """What remembers a container's resources beside its figures."""
    return {RESOURCES: msgspec.json.encode(resources).decode()}


def resources_of(annotations: Mapping[str, str]) -> ResourceRequirements:
    """The reverse of :func:`resources_annotation`."""
    text = annotations.get(RESOURCES)
    return msgspec.json.decode(text, type=ResourceRequirements) if text else ResourceRequirements()


def _absolute(path: str) -> str:
    # A relative mountPath is taken from the container's root, as the kubelet does.
    return path if path.startswith("/") else f"/{path}"
