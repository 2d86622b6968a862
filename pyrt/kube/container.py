"""Containers of a pod: regular, init and ephemeral."""

from __future__ import annotations

from msgspec import field

from pyrt.kube.base import Int32, KubeStruct
from pyrt.kube.probes import Lifecycle, Probe
from pyrt.kube.resources import ContainerResizePolicy, ResourceRequirements
from pyrt.kube.security import SecurityContext
from pyrt.kube.volumes import ObjectFieldSelector, ResourceFieldSelector


class ContainerPort(KubeStruct):
    """A port a container listens on; ``host_port`` publishes it."""

    name: str = ""
    host_port: Int32 = 0
    container_port: Int32 = field(default_factory=int)
    protocol: str = ""
    host_ip: str = ""


class ConfigMapEnvSource(KubeStruct):
    """All keys of a ConfigMap."""

    name: str = ""
    optional: bool | None = None


class SecretEnvSource(KubeStruct):
    """All keys of a Secret."""

    name: str = ""
    optional: bool | None = None


class EnvFromSource(KubeStruct):
    """Variables from every key of an object."""

    prefix: str = ""
    config_map_ref: ConfigMapEnvSource | None = None
    secret_ref: SecretEnvSource | None = None


class ConfigMapKeySelector(KubeStruct):
    """One key of a ConfigMap."""

    name: str = ""
    key: str = field(default_factory=str)
    optional: bool | None = None


class SecretKeySelector(KubeStruct):
    """One key of a Secret."""

    name: str = ""
    key: str = field(default_factory=str)
    optional: bool | None = None


class FileKeySelector(KubeStruct):
    """One variable of a file in a volume."""

    volume_name: str = field(default_factory=str)
    path: str = field(default_factory=str)
    key: str = field(default_factory=str)
    optional: bool | None = None


class EnvVarSource(KubeStruct):
    """Where a variable comes from."""

    field_ref: ObjectFieldSelector | None = None
    resource_field_ref: ResourceFieldSelector | None = None
    config_map_key_ref: ConfigMapKeySelector | None = None
    secret_key_ref: SecretKeySelector | None = None
    file_key_ref: FileKeySelector | None = None


class EnvVar(KubeStruct):
    """One environment variable; ``$(NAME)`` in the value is expanded."""

    name: str = field(default_factory=str)
    value: str = ""
    value_from: EnvVarSource | None = None


class ContainerRestartRuleOnExitCodes(KubeStruct):
    """In or NotIn a list of exit codes."""

    operator: str = ""
    values: list[Int32] = field(default_factory=list)


class ContainerRestartRule(KubeStruct):
    """What to do when a container ends in a certain way."""

    action: str = ""
    exit_codes: ContainerRestartRuleOnExitCodes | None = None


class VolumeMount(KubeStruct):
    """A volume in a container."""

    name: str = field(default_factory=str)
    read_only: bool = False
    recursive_read_only: str | None = None
    mount_path: str = field(default_factory=str)
    sub_path: str = ""
    mount_propagation: str | None = None
    sub_path_expr: str = ""


class VolumeDevice(KubeStruct):
    """A raw block volume in a container."""

    name: str = field(default_factory=str)
    device_path: str = field(default_factory=str)


class Container(KubeStruct):
    """A container or init container."""

    name: str = field(default_factory=str)
    image: str = ""
    command: list[str] = field(default_factory=list)
    args: list[str] = field(default_factory=list)
    working_dir: str = ""
    ports: list[ContainerPort] = field(default_factory=list)
    env_from: list[EnvFromSource] = field(default_factory=list)
    env: list[EnvVar] = field(default_factory=list)
    resources: ResourceRequirements = field(default_factory=ResourceRequirements)
    resize_policy: list[ContainerResizePolicy] = field(default_factory=list)
    restart_policy: str | None = None
    restart_policy_rules: list[ContainerRestartRule] = field(default_factory=list)
    volume_mounts: list[VolumeMount] = field(default_factory=list)
    volume_devices: list[VolumeDevice] = field(default_factory=list)
    liveness_probe: Probe | None = None
    readiness_probe: Probe | None = None
    startup_probe: Probe | None = None
    lifecycle: Lifecycle | None = None
    termination_message_path: str = ""
    termination_message_policy: str = ""
    image_pull_policy: str = ""
    security_context: SecurityContext | None = None
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False


class EphemeralContainer(KubeStruct):
    """A debugging container added to a running pod."""

    name: str = field(default_factory=str)
    image: str = ""
    command: list[str] = field(default_factory=list)
    args: list[str] = field(default_factory=list)
    working_dir: str = ""
    ports: list[ContainerPort] = field(default_factory=list)
    env_from: list[EnvFromSource] = field(default_factory=list)
    env: list[EnvVar] = field(default_factory=list)
    resources: ResourceRequirements = field(default_factory=ResourceRequirements)
    resize_policy: list[ContainerResizePolicy] = field(default_factory=list)
    restart_policy: str | None = None
    restart_policy_rules: list[ContainerRestartRule] = field(default_factory=list)
    volume_mounts: list[VolumeMount] = field(default_factory=list)
    volume_devices: list[VolumeDevice] = field(default_factory=list)
    liveness_probe: Probe | None = None
    readiness_probe: Probe | None = None
    startup_probe: Probe | None = None
    lifecycle: Lifecycle | None = None
    termination_message_path: str = ""
    termination_message_policy: str = ""
    image_pull_policy: str = ""
    security_context: SecurityContext | None = None
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    target_container_name: str = ""
