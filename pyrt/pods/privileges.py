"""What a container's processes may do: the pod's and the container's security context, merged.

A field of the container wins over the same field of the pod (core/v1, ``SecurityContext``).
"""

from __future__ import annotations

from pathlib import Path

from pyrt.kube.container import Container, EphemeralContainer
from pyrt.kube.pod import Pod
from pyrt.kube.security import PodSecurityContext, SeccompProfile, SecurityContext
from pyrt.runtime.config import ContainerSecurity, Seccomp


def container_security(
    pod: Pod, container: Container | EphemeralContainer, *, oom_score_adj: int, seccomp_root: Path
) -> ContainerSecurity:
    """The merged security of one container. Without a profile, the runtime's default filter applies."""
    whole = pod.spec.security_context or PodSecurityContext()
    own = container.security_context or SecurityContext()
    privileged = bool(own.privileged)
    groups = list(whole.supplemental_groups)
    if whole.fs_group is not None:
        groups.append(whole.fs_group)
    capabilities = own.capabilities
    return ContainerSecurity(
        privileged=privileged,
        run_as_user=_first(own.run_as_user, whole.run_as_user),
        run_as_group=_first(own.run_as_group, whole.run_as_group),
        run_as_non_root=bool(_first(own.run_as_non_root, whole.run_as_non_root)),
        supplemental_groups=tuple(dict.fromkeys(groups)),
        supplemental_groups_policy=whole.supplemental_groups_policy or "Merge",
        add_capabilities=_names(capabilities.add) if capabilities is not None else (),
        drop_capabilities=_names(capabilities.drop) if capabilities is not None else (),
        no_new_privileges=own.allow_privilege_escalation is False,
        readonly_rootfs=bool(own.read_only_root_filesystem),
        seccomp=_seccomp(own.seccomp_profile or whole.seccomp_profile, privileged, seccomp_root),
        unmasked_proc=own.proc_mount == "Unmasked",
        oom_score_adj=oom_score_adj,
    )


def _first(own: int | None, whole: int | None) -> int | None:
    return own if own is not None else whole


def _names(capabilities: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.upper().removeprefix("CAP_") for name in capabilities))


def _seccomp(profile: SeccompProfile | None, privileged: bool, root: Path) -> Seccomp:
    if privileged:
        # A filter would take away what privileged gives; containerd and CRI-O leave it out too.
        return Seccomp("Unconfined")
    if profile is None:
        return Seccomp("RuntimeDefault")
    if profile.type == "Localhost":
        return Seccomp("Localhost", root / (profile.localhost_profile or ""))
    return Seccomp(profile.type)
