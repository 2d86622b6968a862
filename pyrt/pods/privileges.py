"""What a container's processes may do: the pod's and the container's security context, merged.

A field of the container wins over the same field of the pod (core/v1, ``SecurityContext``).
"""

from __future__ import annotations

from pathlib import Path

from pyrt.kube.container import Container, EphemeralContainer
from pyrt.kube.pod import Pod
from pyrt.kube.security import PodSecurityContext, SeccompProfile, SecurityContext
from pyrt.pods.apparmor import apparmor_profile
from pyrt.pods.errors import ContainerConfigError
from pyrt.runtime.config import ContainerSecurity, Seccomp


def container_security(
    pod: Pod,
    container: Container | EphemeralContainer,
    *,
    oom_score_adj: int,
    seccomp_root: Path,
    apparmor: str | None = None,
) -> ContainerSecurity:
    """The merged security of one container. Without a profile, the runtime's default filter applies.

    ``apparmor``: what RuntimeDefault means; ``None`` on a machine without AppArmor. Raises
    :class:`pyrt.pods.errors.ContainerConfigError`.
    """
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
        apparmor_profile="" if apparmor is None or privileged else apparmor_profile(pod, container, apparmor),
        unmasked_proc=own.proc_mount == "Unmasked",
        oom_score_adj=oom_score_adj,
    )


def check_non_root(pod: Pod, container: Container | EphemeralContainer, image_user: str) -> None:
    """Refuse root where runAsNonRoot is set, and whom nobody can tell from it, in the kubelet's words
    (kuberuntime, ``verifyRunAsNonRoot``). ``image_user`` is as the image has it.

    Raises :class:`ContainerConfigError`.
    """
    whole = pod.spec.security_context or PodSecurityContext()
    own = container.security_context or SecurityContext()
    if not _first(own.run_as_non_root, whole.run_as_non_root):
        return
    meta = pod.metadata
    where = f'(pod: "{meta.name}_{meta.namespace}({meta.uid})", container: {container.name})'
    user = _first(own.run_as_user, whole.run_as_user)
    if user is not None:
        if user == 0:
            raise ContainerConfigError(f"container's runAsUser breaks non-root policy {where}")
        return
    name = image_user.partition(":")[0]
    if not name or (name.isascii() and name.isdigit() and int(name) == 0):
        raise ContainerConfigError(f"container has runAsNonRoot and image will run as root {where}")
    if not (name.isascii() and name.isdigit()):
        told = f"image has non-numeric user ({name}), cannot verify user is non-root"
        raise ContainerConfigError(f"container has runAsNonRoot and {told} {where}")


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
