"""What the API server fills in when a pod is created (``pkg/apis/core/v1/defaults.go``), in place.

Idempotent. Run before validation: the rules assume defaulted objects.
"""

from __future__ import annotations

from pyrt.kube import quantity
from pyrt.kube.aggregate import HUGEPAGES, POD_LEVEL, container_limits, container_requests, is_pod_level
from pyrt.kube.base import ResourceList
from pyrt.kube.container import Container, EphemeralContainer
from pyrt.kube.pod import Pod, PodSpec
from pyrt.kube.probes import LifecycleHandler, Probe
from pyrt.kube.security import PodSecurityContext
from pyrt.kube.storage_defaults import set_claim_spec_defaults
from pyrt.kube.volumes import DownwardAPIVolumeFile, EmptyDirVolumeSource, Volume, VolumeProjection

TERMINATION_MESSAGE_PATH = "/dev/termination-log"
GRACE_PERIOD_SECONDS = 30
DEFAULT_MODE = 0o644


def set_pod_defaults(pod: Pod) -> None:
    """Fill in the defaults of a Pod."""
    spec = pod.spec
    set_pod_spec_defaults(spec)
    for container in (*spec.containers, *spec.init_containers):
        resources = container.resources
        for name, limit in resources.limits.items():
            resources.requests.setdefault(name, limit)
    if spec.resources is not None:
        _pod_resources(spec)
    if spec.enable_service_links is None:
        spec.enable_service_links = True
    if spec.host_network:
        for container in (*spec.containers, *spec.init_containers):
            for port in container.ports:
                port.host_port = port.host_port or port.container_port


def _pod_resources(spec: PodSpec) -> None:
    """What resources of the pod itself get from its containers, or from its own limits (KEP-2837, "Defaulting")."""
    whole = spec.resources
    assert whole is not None
    everyone = (*spec.containers, *spec.init_containers)
    if not all(
        quantity.is_valid(t) for c in everyone for r in (c.resources.limits, c.resources.requests) for t in r.values()
    ):
        return  # validation's to refuse
    if whole.limits or whole.requests:
        for name, amount in container_limits(spec).items():
            if name.startswith(HUGEPAGES) and name not in whole.requests:
                whole.limits.setdefault(name, quantity.of_units(int(amount), binary=True))
    if not whole.limits:
        return
    for name, amount in container_requests(spec).items():
        if name in POD_LEVEL:
            cpu = name == "cpu"
            text = quantity.of_milli(int(amount * 1000)) if cpu else quantity.of_units(int(amount), binary=True)
            whole.requests.setdefault(name, text)
    for name, limit in whole.limits.items():
        if is_pod_level(name):
            whole.requests.setdefault(name, limit)


def set_pod_spec_defaults(spec: PodSpec) -> None:
    """Fill in the defaults that a pod template has too."""
    spec.dns_policy = spec.dns_policy or "ClusterFirst"
    spec.restart_policy = spec.restart_policy or "Always"
    spec.scheduler_name = spec.scheduler_name or "default-scheduler"
    if spec.security_context is None:
        spec.security_context = PodSecurityContext()
    if spec.termination_grace_period_seconds is None:
        spec.termination_grace_period_seconds = GRACE_PERIOD_SECONDS
    for volume in spec.volumes:
        _volume(volume)
    for container in spec.init_containers:
        _container(container)
    for container in spec.containers:
        _container(container)
    for ephemeral in spec.ephemeral_containers:
        _container(ephemeral)
    _canonical(spec.overhead)
    if spec.resources is not None:
        _canonical(spec.resources.limits)
        _canonical(spec.resources.requests)


def pull_policy(image: str) -> str:
    """Always if the tag is ``latest`` (said or meant), else IfNotPresent."""
    name, _, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    if not tag and not digest:
        tag = "latest"
    return "Always" if tag == "latest" else "IfNotPresent"


def _canonical(resources: ResourceList) -> None:
    """Write quantities in canonical form, rounded up to thousandths; unreadable ones are validation's to refuse."""
    for name, text in resources.items():
        if not quantity.is_valid(text):
            continue
        value = quantity.value(text)
        precise = (value * 1000).denominator == 1
        resources[name] = quantity.canonical(text) if precise else quantity.of_milli(quantity.milli(text))


def _container(container: Container | EphemeralContainer) -> None:
    container.image_pull_policy = container.image_pull_policy or pull_policy(container.image)
    container.termination_message_path = container.termination_message_path or TERMINATION_MESSAGE_PATH
    container.termination_message_policy = container.termination_message_policy or "File"
    for port in container.ports:
        port.protocol = port.protocol or "TCP"
    _canonical(container.resources.limits)
    _canonical(container.resources.requests)
    for variable in container.env:
        source = variable.value_from
        if source is None:
            continue
        if source.field_ref is not None:
            source.field_ref.api_version = source.field_ref.api_version or "v1"
        if source.file_key_ref is not None and source.file_key_ref.optional is None:
            source.file_key_ref.optional = False
    for probe in (container.liveness_probe, container.readiness_probe, container.startup_probe):
        if probe is not None:
            _probe(probe)
    if container.lifecycle is not None:
        for hook in (container.lifecycle.post_start, container.lifecycle.pre_stop):
            if hook is not None:
                _http_get(hook)


def _probe(probe: Probe) -> None:
    probe.timeout_seconds = probe.timeout_seconds or 1
    probe.period_seconds = probe.period_seconds or 10
    probe.success_threshold = probe.success_threshold or 1
    probe.failure_threshold = probe.failure_threshold or 3
    _http_get(probe)
    if probe.grpc is not None and probe.grpc.service is None:
        probe.grpc.service = ""


def _http_get(handler: Probe | LifecycleHandler) -> None:
    if handler.http_get is not None:
        handler.http_get.path = handler.http_get.path or "/"
        handler.http_get.scheme = handler.http_get.scheme or "HTTP"


def volume_sources(volume: Volume) -> list[str]:
    """The attributes of ``volume`` that are set, but for its name."""
    return [name for name in Volume.__struct_fields__ if name != "name" and getattr(volume, name) is not None]


def _volume(volume: Volume) -> None:
    if not volume_sources(volume):
        volume.empty_dir = EmptyDirVolumeSource()
    empty = volume.empty_dir
    if empty is not None and empty.size_limit is not None and quantity.is_valid(empty.size_limit):
        empty.size_limit = quantity.canonical(empty.size_limit)
    if volume.host_path is not None and volume.host_path.type is None:
        volume.host_path.type = ""
    if volume.image is not None:
        volume.image.pull_policy = volume.image.pull_policy or pull_policy(volume.image.reference)
    if volume.ephemeral is not None and volume.ephemeral.volume_claim_template is not None:
        set_claim_spec_defaults(volume.ephemeral.volume_claim_template.spec)
    for source in (volume.secret, volume.config_map, volume.downward_api, volume.projected):
        if source is not None and source.default_mode is None:
            source.default_mode = DEFAULT_MODE
    if volume.downward_api is not None:
        _downward(volume.downward_api.items)
    if volume.projected is not None:
        for projection in volume.projected.sources:
            _projection(projection)
    if volume.iscsi is not None:
        volume.iscsi.iscsi_interface = volume.iscsi.iscsi_interface or "default"
    if volume.rbd is not None:
        rbd = volume.rbd
        rbd.pool, rbd.user, rbd.keyring = rbd.pool or "rbd", rbd.user or "admin", rbd.keyring or "/etc/ceph/keyring"


def _projection(projection: VolumeProjection) -> None:
    if projection.downward_api is not None:
        _downward(projection.downward_api.items)
    token = projection.service_account_token
    if token is not None and token.expiration_seconds is None:
        token.expiration_seconds = 3600


def _downward(files: list[DownwardAPIVolumeFile]) -> None:
    for file in files:
        if file.field_ref is not None:
            file.field_ref.api_version = file.field_ref.api_version or "v1"
