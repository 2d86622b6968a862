"""Rules of security contexts."""

from __future__ import annotations

from pyrt.kube import names
from pyrt.kube.field import FieldError, duplicate, each_invalid, invalid, not_supported, required
from pyrt.kube.pod import PodSpec
from pyrt.kube.security import AppArmorProfile, PodSecurityContext, SeccompProfile, SecurityContext, Sysctl
from pyrt.kube.validation.volumes import descending_path

_PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")
_IPC_SYSCTLS = frozenset(
    f"kernel.{name}"
    for name in ("sem", "shm", "shmall", "shmmax", "shmmni", "shm_rmid_forced", "msg", "msgmax", "msgmnb", "msgmni")
)


def _seccomp(profile: SeccompProfile | None, path: str) -> list[FieldError]:
    if profile is None:
        return []
    errors: list[FieldError] = []
    where = f"{path}.localhostProfile"
    if not profile.type:
        errors.append(required(f"{path}.type", "type is required when seccompProfile is set"))
    elif profile.type not in _PROFILES:
        errors.append(not_supported(f"{path}.type", profile.type, _PROFILES))
    if profile.type == "Localhost":
        if profile.localhost_profile is None:
            errors.append(required(where, "must be set when seccomp type is Localhost"))
        else:
            errors += descending_path(profile.localhost_profile, where)
    elif profile.localhost_profile is not None:
        errors.append(invalid(where, profile, "can only be set when seccomp type is Localhost"))
    return errors


def _apparmor(profile: AppArmorProfile | None, path: str) -> list[FieldError]:
    if profile is None:
        return []
    where = f"{path}.localhostProfile"
    if not profile.type:
        return [required(f"{path}.type", "type is required when appArmorProfile is set")]
    if profile.type not in _PROFILES:
        return [not_supported(f"{path}.type", profile.type, _PROFILES)]
    if profile.type == "Localhost":
        if not (profile.localhost_profile or "").strip():
            return [required(where, "must be set when AppArmor type is Localhost")]
        if profile.localhost_profile != (profile.localhost_profile or "").strip():
            return [invalid(where, profile.localhost_profile, "must not be padded with whitespace")]
    elif profile.localhost_profile is not None:
        return [invalid(where, profile.localhost_profile, "can only be set when AppArmor type is Localhost")]
    return []


def validate_container_security(context: SecurityContext | None, path: str, *, host_users: bool) -> list[FieldError]:
    """The security context of one container."""
    if context is None:
        return []
    errors: list[FieldError] = []
    if context.run_as_user is not None:
        errors += each_invalid(f"{path}.runAsUser", context.run_as_user, names.user_id(context.run_as_user))
    if context.run_as_group is not None:
        errors += each_invalid(f"{path}.runAsGroup", context.run_as_group, names.user_id(context.run_as_group))
    if context.proc_mount is not None:
        if context.proc_mount not in ("Default", "Unmasked"):
            errors.append(not_supported(f"{path}.procMount", context.proc_mount, ("Default", "Unmasked")))
        if context.proc_mount == "Unmasked" and host_users:
            detail = "`hostUsers` must be false to use `Unmasked`"
            errors.append(invalid(f"{path}.procMount", context.proc_mount, detail))
    errors += _seccomp(context.seccomp_profile, f"{path}.seccompProfile")
    if context.allow_privilege_escalation is False:
        start = "cannot set `allowPrivilegeEscalation` to false and"
        if context.privileged:
            errors.append(invalid(path, context, f"{start} `privileged` to true"))
        if context.capabilities is not None and "CAP_SYS_ADMIN" in context.capabilities.add:
            errors.append(invalid(path, context, f"{start} `capabilities.Add` CAP_SYS_ADMIN"))
    errors += _apparmor(context.app_armor_profile, f"{path}.appArmorProfile")
    return errors


def validate_pod_security(context: PodSecurityContext, spec: PodSpec, path: str) -> list[FieldError]:
    """The security context of a pod, with what depends on its host namespaces."""
    errors: list[FieldError] = []
    for name, value in (
        ("fsGroup", context.fs_group),
        ("runAsUser", context.run_as_user),
        ("runAsGroup", context.run_as_group),
    ):
        if value is not None:
            errors += each_invalid(f"{path}.{name}", value, names.user_id(value))
    for index, group in enumerate(context.supplemental_groups):
        errors += each_invalid(f"{path}.supplementalGroups[{index}]", group, names.user_id(group))
    if spec.share_process_namespace and spec.host_pid:
        detail = "ShareProcessNamespace and HostPID cannot both be enabled"
        errors.append(invalid(f"{path}.shareProcessNamespace", True, detail))
    errors += _sysctls(context.sysctls, spec, f"{path}.sysctls")
    closed = (
        ("fsGroupChangePolicy", context.fs_group_change_policy, ("Always", "OnRootMismatch")),
        ("supplementalGroupsPolicy", context.supplemental_groups_policy, ("Merge", "Strict")),
        ("seLinuxChangePolicy", context.se_linux_change_policy, ("MountOption", "Recursive")),
    )
    for name, policy, supported in closed:
        if policy is not None and policy not in supported:
            errors.append(not_supported(f"{path}.{name}", policy, supported))
    errors += _seccomp(context.seccomp_profile, f"{path}.seccompProfile")
    errors += _apparmor(context.app_armor_profile, f"{path}.appArmorProfile")
    return errors


def _sysctls(sysctls: list[Sysctl], spec: PodSpec, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[str] = set()
    for index, sysctl in enumerate(sysctls):
        where = f"{path}[{index}].name"
        if not sysctl.name:
            errors.append(required(where))
        elif not names.is_sysctl(sysctl.name):
            detail = f"must have at most {names.SYSCTL_MAX} characters and match regex ^{names.SYSCTL_FORM}$"
            errors.append(invalid(where, sysctl.name, detail))
        elif sysctl.name in seen:
            errors.append(duplicate(where, sysctl.name))
        seen.add(sysctl.name)
        dotted = sysctl.name.replace("/", ".")
        if spec.host_network and dotted.startswith("net."):
            errors.append(invalid(where, sysctl.name, "may not be specified when 'hostNetwork' is true"))
        elif spec.host_ipc and (dotted in _IPC_SYSCTLS or dotted.startswith("fs.mqueue.")):
            errors.append(invalid(where, sysctl.name, "may not be specified when 'hostIPC' is true"))
    return errors
