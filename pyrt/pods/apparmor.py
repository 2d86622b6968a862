"""AppArmor profiles: whether a pod asks for one, and which one a container gets."""

from __future__ import annotations

from pyrt.kube.container import Container, EphemeralContainer
from pyrt.kube.pod import Pod
from pyrt.pods.errors import ContainerConfigError


def asks_for_apparmor(pod: Pod) -> bool:
    """Whether some profile other than Unconfined is named: such a pod is not run without AppArmor, as the kubelet has
    it (pkg/security/apparmor, ``isRequired``).
    """
    spec = pod.spec
    containers: list[Container | EphemeralContainer] = [
        *spec.init_containers,
        *spec.containers,
        *spec.ephemeral_containers,
    ]
    if spec.security_context is None and all(one.security_context is None for one in containers):
        return False
    contexts = (spec.security_context, *(one.security_context for one in containers))
    profiles = (context.app_armor_profile for context in contexts if context is not None)
    return any(profile is not None and profile.type != "Unconfined" for profile in profiles)


def apparmor_profile(pod: Pod, container: Container | EphemeralContainer, default: str) -> str:
    """The name of the profile that the container gets; empty for none. ``default`` is what RuntimeDefault means.

    Raises :class:`ContainerConfigError` where RuntimeDefault is asked for and means nothing.
    """
    whole, own = pod.spec.security_context, container.security_context
    profile = own.app_armor_profile if own is not None else None
    if profile is None and whole is not None:
        profile = whole.app_armor_profile
    if profile is None:
        return default
    if profile.type == "Unconfined":
        return ""
    if profile.type == "Localhost":
        return profile.localhost_profile or ""
    if not default:
        raise ContainerConfigError(
            "this node has no such profile (runtime.apparmor_profile)", operation="appArmorProfile RuntimeDefault"
        )
    return default
