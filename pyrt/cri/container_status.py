"""What a kubelet is told of a container.

Images have three names here (kubelet, ``toKubeContainerStatus``; the rule of Kubernetes 1.36): ``image_id`` is the id
that PullImage answered with and ImageStatus shows, ``image_ref`` a digest by which others can pull the same, and
``image`` the name that people use. All are those of the moment at which the container was made.
"""

from __future__ import annotations

import signal
from typing import Final

from pyrt.cri import runtime_pb2 as cri
from pyrt.cri.asked import container_config
from pyrt.errors import PyrtError
from pyrt.images.errors import InvalidReferenceError
from pyrt.images.reference import parse_reference
from pyrt.runtime.config import ContainerConfig, Resources, SandboxConfig
from pyrt.runtime.container_user import resolve_user
from pyrt.runtime.signals import stop_signal
from pyrt.runtime.status import ContainerState, ContainerStatus

_STATES: Final = {
    ContainerState.CREATED: cri.CONTAINER_CREATED,
    ContainerState.RUNNING: cri.CONTAINER_RUNNING,
    ContainerState.EXITED: cri.CONTAINER_EXITED,
    ContainerState.UNKNOWN: cri.CONTAINER_UNKNOWN,
}
_REALTIME_MIDDLE: Final = 15
"""SIGRTMIN+15 is the last that is counted from below (bash(1), ``kill -l``, and CRI's list)."""


def state_of(status: ContainerStatus) -> cri.ContainerState:
    """CRI has the same states."""
    return _STATES[status.state]


def container_status(status: ContainerStatus, sandbox: SandboxConfig) -> cri.ContainerStatus:
    """The answer of ContainerStatus, and what goes with every event. Times are Unix nanoseconds."""
    asked, config = container_config(status), status.config
    return cri.ContainerStatus(
        id=status.id,
        metadata=asked.metadata,
        state=state_of(status),
        created_at=status.created_at,
        started_at=status.started_at,
        finished_at=status.finished_at,
        exit_code=status.exit_code,
        image=_image(config, asked),
        image_ref=config.image.repo_digests[0] if config.image.repo_digests else config.image.id,
        image_id=config.image.id,
        reason=status.reason,
        message=status.message,
        labels=asked.labels,
        annotations=asked.annotations,
        mounts=_mounts(asked, config),
        log_path=_log_path(config, sandbox),
        resources=cri.ContainerResources(linux=resources_message(config.resources, config.security.oom_score_adj)),
        user=_user(config),
        stop_signal=asked.stop_signal or _signal_name(stop_signal(config, None)),
    )


def container_item(status: ContainerStatus) -> cri.Container:
    """One line of ListContainers."""
    asked = container_config(status)
    return cri.Container(
        id=status.id,
        pod_sandbox_id=status.sandbox_id,
        metadata=asked.metadata,
        image=asked.image,
        image_ref=status.config.image.id,
        image_id=status.config.image.id,
        state=state_of(status),
        created_at=status.created_at,
        labels=asked.labels,
        annotations=asked.annotations,
    )


def _image(config: ContainerConfig, asked: cri.ContainerConfig) -> cri.ImageSpec:
    """The name that the user wrote if it means this image, else its first; what was asked for if it has none."""
    tags = config.image.repo_tags
    if not tags:
        return asked.image
    try:
        wanted = parse_reference(config.image_ref).canonical
    except InvalidReferenceError:
        wanted = ""
    return cri.ImageSpec(image=wanted if wanted in tags else tags[0])


def _mounts(asked: cri.ContainerConfig, config: ContainerConfig) -> list[cri.Mount]:
    """As they were asked for; those of images say which one it was (KEP-5365)."""
    images = {mount.container_path: mount.image for mount in config.mounts if mount.image is not None}
    mounts = list(asked.mounts)
    for mount in mounts:
        image = images.get("/" + mount.container_path.lstrip("/"))
        if image is not None:
            mount.image.image_ref = image
    return mounts


def _log_path(config: ContainerConfig, sandbox: SandboxConfig) -> str:
    return str(sandbox.log_directory / config.log_path) if str(config.log_path) not in ("", ".") else ""


def resources_message(resources: Resources, oom_score_adj: int | None) -> cri.LinuxContainerResources:
    """The limits that are in force; 0 and empty: none."""
    return cri.LinuxContainerResources(
        cpu_period=resources.cpu_period or 0,
        cpu_quota=resources.cpu_quota or 0,
        cpu_shares=resources.cpu_shares or 0,
        memory_limit_in_bytes=resources.memory_limit or 0,
        oom_score_adj=oom_score_adj or 0,
        cpuset_cpus=resources.cpuset_cpus,
        cpuset_mems=resources.cpuset_mems,
        hugepage_limits=[
            cri.HugepageLimit(page_size=size, limit=limit) for size, limit in resources.hugepage_limits.items()
        ],
        unified=resources.unified,
        memory_swap_limit_in_bytes=resources.memory_swap_limit or 0,
    )


def _user(config: ContainerConfig) -> cri.ContainerUser:
    """Who its first process starts as. An image that does not say any more (it was damaged) leaves it empty."""
    try:
        identity = resolve_user(config)
    except (PyrtError, OSError):
        return cri.ContainerUser()
    return cri.ContainerUser(
        linux=cri.LinuxContainerUser(uid=identity.uid, gid=identity.gid, supplemental_groups=identity.groups)
    )


def _signal_name(number: int) -> str:
    if number < signal.SIGRTMIN:
        name = signal.Signals(number).name
    elif number - signal.SIGRTMIN <= _REALTIME_MIDDLE:
        above = number - signal.SIGRTMIN
        name = f"SIGRTMINPLUS{above}" if above else "SIGRTMIN"
    else:
        below = signal.SIGRTMAX - number
        name = f"SIGRTMAXMINUS{below}" if below else "SIGRTMAX"
    return f"SIGNAL_{name}"
