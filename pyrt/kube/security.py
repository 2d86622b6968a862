"""Security contexts of containers and pods."""

from __future__ import annotations

from msgspec import field

from pyrt.kube.base import Int64, KubeStruct


class Capabilities(KubeStruct):
    """Linux capabilities, without the ``CAP_`` prefix."""

    add: list[str] = field(default_factory=list)
    drop: list[str] = field(default_factory=list)


class SELinuxOptions(KubeStruct):
    """The SELinux context of processes."""

    user: str = ""
    role: str = ""
    type: str = ""
    level: str = ""


class WindowsSecurityContextOptions(KubeStruct):
    """Windows only; read so that it can be refused by name."""

    gmsa_credential_spec_name: str | None = None
    gmsa_credential_spec: str | None = None
    run_as_user_name: str | None = None
    host_process: bool | None = None


class SeccompProfile(KubeStruct):
    """RuntimeDefault, Unconfined or Localhost."""

    type: str = field(default_factory=str)
    localhost_profile: str | None = None


class AppArmorProfile(KubeStruct):
    """RuntimeDefault, Unconfined or Localhost."""

    type: str = field(default_factory=str)
    localhost_profile: str | None = None


class SecurityContext(KubeStruct):
    """Security of one container; overrides the pod."""

    capabilities: Capabilities | None = None
    privileged: bool | None = None
    se_linux_options: SELinuxOptions | None = None
    windows_options: WindowsSecurityContextOptions | None = None
    run_as_user: Int64 | None = None
    run_as_group: Int64 | None = None
    run_as_non_root: bool | None = None
    read_only_root_filesystem: bool | None = None
    allow_privilege_escalation: bool | None = None
    proc_mount: str | None = None
    seccomp_profile: SeccompProfile | None = None
    app_armor_profile: AppArmorProfile | None = None


class Sysctl(KubeStruct):
    """A kernel parameter of the pod."""

    name: str = field(default_factory=str)
    value: str = field(default_factory=str)


class PodSecurityContext(KubeStruct):
    """Security of the whole pod."""

    se_linux_options: SELinuxOptions | None = None
    windows_options: WindowsSecurityContextOptions | None = None
    run_as_user: Int64 | None = None
    run_as_group: Int64 | None = None
    run_as_non_root: bool | None = None
    supplemental_groups: list[Int64] = field(default_factory=list)
    supplemental_groups_policy: str | None = None
    fs_group: Int64 | None = None
    sysctls: list[Sysctl] = field(default_factory=list)
    fs_group_change_policy: str | None = None
    seccomp_profile: SeccompProfile | None = None
    app_armor_profile: AppArmorProfile | None = None
    se_linux_change_policy: str | None = None
