"""``LinuxContainerSecurityContext``: who a container runs as, and what it may do (pure)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pyrt.cri import runtime_pb2 as cri
from pyrt.cri.errors import invalid
from pyrt.launch.user import MAX_ID
from pyrt.runtime.config import ContainerSecurity, SandboxConfig, Seccomp

_PREFIX: Final = "localhost/"
_GROUP_POLICIES: Final = {cri.Merge: "Merge", cri.Strict: "Strict"}


def security_of(
    context: cri.LinuxContainerSecurityContext, oom_score_adj: int, sandbox: SandboxConfig, field: str
) -> ContainerSecurity:
    """All of it but the namespaces. Raises :class:`pyrt.cri.errors.CriError`."""
    if context.privileged and not sandbox.privileged:
        raise invalid(f"{field}.privileged", "no privileged container allowed in sandbox")
    if context.privileged and sandbox.user_namespace is not None:
        raise invalid(f"{field}.privileged", "not in a pod with a user namespace")
    if context.HasField("run_as_user") and context.run_as_username:
        raise invalid(f"{field}.run_as_username", "only one of run_as_user and run_as_username")
    if context.HasField("run_as_group") and not (context.HasField("run_as_user") or context.run_as_username):
        raise invalid(f"{field}.run_as_group", "the group is specified without the user")
    if context.supplemental_groups_policy not in _GROUP_POLICIES:
        raise invalid(f"{field}.supplemental_groups_policy", f"unknown policy {context.supplemental_groups_policy}")
    if not -1000 <= oom_score_adj <= 1000:
        raise invalid("config.linux.resources.oom_score_adj", f"expected -1000 to 1000, got {oom_score_adj}")
    capabilities = context.capabilities
    apparmor, unset = _apparmor(context, field)
    return ContainerSecurity(
        privileged=context.privileged,
        run_as_user=_id(context.run_as_user.value, f"{field}.run_as_user") if context.HasField("run_as_user") else None,
        run_as_username=context.run_as_username,
        run_as_group=(
            _id(context.run_as_group.value, f"{field}.run_as_group") if context.HasField("run_as_group") else None
        ),
        supplemental_groups=tuple(_id(one, f"{field}.supplemental_groups") for one in context.supplemental_groups),
        supplemental_groups_policy=_GROUP_POLICIES[context.supplemental_groups_policy],
        add_capabilities=tuple(capabilities.add_capabilities),
        drop_capabilities=tuple(capabilities.drop_capabilities),
        ambient_capabilities=tuple(capabilities.add_ambient_capabilities),
        no_new_privileges=context.no_new_privs,
        readonly_rootfs=context.readonly_rootfs,
        seccomp=_seccomp(context, field),
        apparmor_profile=apparmor,
        apparmor_default=unset,
        masked_paths=tuple(context.masked_paths),
        readonly_paths=tuple(context.readonly_paths),
        oom_score_adj=oom_score_adj,
    )


def _id(value: int, field: str) -> int:
    """A user or group that the kernel can have: what is cut to 32 bits may be root (CVE-2024-40635)."""
    if not 0 <= value <= MAX_ID:
        raise invalid(field, f"expected 0 to {MAX_ID}, got {value}")
    return value


def _seccomp(context: cri.LinuxContainerSecurityContext, field: str) -> Seccomp:
    """The profile; in older kubelets' words if they say nothing in the newer. Neither: unconfined, as with peers."""
    if context.HasField("seccomp"):
        kind, reference = profile_type(context.seccomp, f"{field}.seccomp")
    else:
        kind, reference = old_profile(context.seccomp_profile_path, f"{field}.seccomp_profile_path")
    if kind != "Localhost":
        return Seccomp(kind or "Unconfined")
    if not reference.startswith("/") or ".." in reference.split("/"):
        raise invalid(f"{field}.seccomp", f"expected the absolute path of a profile, got {reference!r}")
    return Seccomp(kind, Path(reference))


def _apparmor(context: cri.LinuxContainerSecurityContext, field: str) -> tuple[str, bool]:
    """The name of a profile, and whether nothing was said: then the node's default holds, if it has one.

    Without AppArmor in the kernel a profile is refused when the container is made, as by peers.
    """
    if context.HasField("apparmor"):
        kind, reference = profile_type(context.apparmor, f"{field}.apparmor")
    else:
        kind, reference = old_profile(context.apparmor_profile, f"{field}.apparmor_profile")
    if kind == "Localhost":
        if any(letter.isspace() or letter == "\0" for letter in reference):
            raise invalid(f"{field}.apparmor", f"expected the name of a profile, got {reference!r}")
        return reference, False
    return ("runtime/default" if kind == "RuntimeDefault" else ""), not kind


def profile_type(profile: cri.SecurityProfile, field: str) -> tuple[str, str]:
    """``RuntimeDefault``, ``Unconfined`` or ``Localhost``, and the reference of the last. Raises :class:`CriError`."""
    kinds = cri.SecurityProfile.ProfileType
    if profile.profile_type not in kinds.values():
        raise invalid(f"{field}.profile_type", f"unknown type {profile.profile_type}")
    kind, reference = kinds.Name(profile.profile_type), profile.localhost_ref.removeprefix(_PREFIX)
    if bool(reference) != (kind == "Localhost"):
        raise invalid(f"{field}.localhost_ref", f"expected it with Localhost alone, got {reference!r} with {kind}")
    return kind, reference


def old_profile(text: str, field: str) -> tuple[str, str]:
    """The same from the deprecated strings; an empty type for an empty string. Raises :class:`CriError`."""
    if text in ("runtime/default", "docker/default"):
        return "RuntimeDefault", ""
    if text == "unconfined":
        return "Unconfined", ""
    if text.startswith(_PREFIX) and text != _PREFIX:
        return "Localhost", text.removeprefix(_PREFIX)
    if text:
        raise invalid(field, f"invalid profile {text!r}")
    return "", ""
