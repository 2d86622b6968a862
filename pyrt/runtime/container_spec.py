"""A container in CRI's vocabulary to the runtime-spec's (pure): who runs what, in which file system, with which
rights.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pyrt.launch import capabilities
from pyrt.launch.context import MountSource
from pyrt.launch.defaults import MASKED_PATHS, READONLY_PATHS, default_mounts
from pyrt.launch.seccomp import load_profile
from pyrt.launch.seccomp_default import runtime_default
from pyrt.launch.user import Identity
from pyrt.runtime.config import ContainerConfig, ContainerSecurity, Mount, NamespaceMode, Propagation, SandboxConfig
from pyrt.runtime.container_devices import device_nodes, device_rules
from pyrt.runtime.errors import InvalidConfigError
from pyrt.runtime.resources import linux_resources
from pyrt.runtime.sandbox_plan import SandboxPlaces
from pyrt.spec import (
    Config,
    Linux,
    LinuxCapabilities,
    LinuxDevice,
    LinuxNamespace,
    LinuxSeccomp,
    PosixRlimit,
    Process,
    Root,
    User,
)
from pyrt.spec import Mount as SpecMount

DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What the translation has to know of this machine."""

    devices: tuple[LinuxDevice, ...] = ()
    """Every device node below /dev, for privileged containers."""
    device_filter: bool = True
    """Whether cgroups can keep containers from devices (v1, or v2 with BPF). If not, no container may make nodes."""
    masked_paths: tuple[str, ...] = MASKED_PATHS
    apparmor_default: str = ""
    """The AppArmor profile that RuntimeDefault means."""
    runtime_default: Path | None = None
    """A seccomp profile in place of the built-in RuntimeDefault."""
    seccomp_root: Path = Path("/etc/pyrt/seccomp")
    """Localhost profiles with relative names are found beneath it."""


def command_of(config: ContainerConfig) -> tuple[str, ...]:
    """The arguments of execve: ``command`` replaces the image's entrypoint and its cmd, ``args`` its cmd alone.

    Raises :class:`InvalidConfigError` when neither says anything.
    """
    image = config.image.config
    words = config.command or image.entrypoint
    arguments = (*words, *(config.args or (() if config.command else image.cmd)))
    if not arguments or not arguments[0]:
        raise InvalidConfigError("no command specified, and the image has none", operation="command")
    return arguments


def environment_of(config: ContainerConfig, hostname: str, home: str) -> tuple[str, ...]:
    """The image's variables, then the container's; a later one replaces an earlier one in its place."""
    variables: dict[str, str] = {"PATH": DEFAULT_PATH[5:], "HOSTNAME": hostname}
    if config.tty:
        variables["TERM"] = "xterm"
    for variable in config.image.config.env:
        name, _, value = variable.partition("=")
        if name:
            variables[name] = value
    variables.update(config.env)
    if "HOME" not in variables:
        variables["HOME"] = home or "/"
    return tuple(f"{name}={value}" for name, value in variables.items())


def container_config(
    sandbox: SandboxConfig, config: ContainerConfig, places: SandboxPlaces, user: Identity, facts: HostFacts
) -> Config:
    """The whole. Raises :class:`InvalidConfigError`, with the field as its operation."""
    security = config.security
    capability_names = _capabilities(config, facts)
    return Config(
        root=Root(path="", readonly=security.readonly_rootfs),
        process=Process(
            terminal=config.tty,
            user=User(uid=user.uid, gid=user.gid, additional_gids=user.groups),
            args=command_of(config),
            env=environment_of(config, sandbox.hostname, user.home),
            cwd=config.working_dir or config.image.config.working_dir or "/",
            capabilities=_capability_sets(capability_names, user.uid, security.ambient_capabilities),
            rlimits=tuple(
                PosixRlimit(type=name, soft=soft, hard=hard) for name, (soft, hard) in security.rlimits.items()
            ),
            no_new_privileges=security.no_new_privileges,
            apparmor_profile=_apparmor(security, facts.apparmor_default),
            # Never what is inherited: the pod process asks for -998.
            oom_score_adj=security.oom_score_adj or 0,
        ),
        mounts=(
            *_uncovered(default_mounts(shm=_shm(sandbox, places), privileged=security.privileged), config.mounts),
            *sandbox_mounts(config, places),
            *(spec_mount(mount) for mount in by_depth(config.mounts)),
        ),
        linux=Linux(
            namespaces=namespaces_of(sandbox, config),
            devices=() if _covers_dev(config.mounts) else device_nodes(config, facts.devices, user.uid),
            resources=linux_resources(config.resources, device_rules(config)),
            seccomp=_seccomp(config, capability_names, facts),
            masked_paths=_hidden(security, security.masked_paths, facts.masked_paths),
            readonly_paths=_hidden(security, security.readonly_paths, READONLY_PATHS),
            rootfs_propagation="rslave" if _needs_slave_root(config) else "",
        ),
    )


def _capabilities(config: ContainerConfig, facts: HostFacts) -> tuple[str, ...]:
    security = config.security
    if security.privileged:
        return capabilities.NAMES
    added = (*security.add_capabilities, *security.ambient_capabilities)
    names = capabilities.adjusted(added, security.drop_capabilities)
    if not facts.device_filter:
        names = tuple(name for name in names if name != "CAP_MKNOD")
    return names


def _capability_sets(names: tuple[str, ...], uid: int, ambient: tuple[str, ...]) -> LinuxCapabilities:
    """Nothing is inheritable (CVE-2022-24769) but what is ambient. execve gives root's process all of the bounding set;
    another user's keeps the ambient ones alone.
    """
    kept = tuple(name for name in capabilities.adjusted(ambient, (), ()) if name in names) if ambient else ()
    effective = names if uid == 0 else kept
    return LinuxCapabilities(bounding=names, effective=effective, permitted=effective, inheritable=kept, ambient=kept)


def _apparmor(security: ContainerSecurity, default: str) -> str:
    """Privileged containers have no default profile, but one that is named (as under containerd)."""
    name = security.apparmor_profile
    if name == "runtime/default" and not default:
        raise InvalidConfigError(
            "this node has no such profile (runtime.apparmor_profile)", operation=f"apparmor {name}"
        )
    if name == "runtime/default" or (not name and security.apparmor_default):
        name = default
    return "" if security.privileged and name == default else name


def _hidden(security: ContainerSecurity, asked: tuple[str, ...] | None, default: tuple[str, ...]) -> tuple[str, ...]:
    if security.privileged or security.unmasked_proc:
        return ()
    return default if asked is None else asked


def namespaces_of(sandbox: SandboxConfig, config: ContainerConfig) -> tuple[LinuxNamespace, ...]:
    """Those made for the container; network, IPC and UTS are the pod process's own and are inherited."""
    names = ["mount", "cgroup"]
    if (config.pid or sandbox.pid) is NamespaceMode.CONTAINER and not config.pid_target:
        names.append("pid")
    return tuple(LinuxNamespace(type=name) for name in names)


def _shm(sandbox: SandboxConfig, places: SandboxPlaces) -> str:
    return "/dev/shm" if sandbox.ipc is NamespaceMode.NODE else places.shm


def sandbox_mounts(config: ContainerConfig, places: SandboxPlaces) -> list[SpecMount]:
    """The files all containers of a sandbox share, except where the container mounts something of its own."""
    own = {posixpath.normpath(mount.container_path) for mount in config.mounts}
    access = "ro" if config.security.readonly_rootfs else "rw"
    return [
        SpecMount(destination=path, type="bind", source=source, options=("bind", "rprivate", access))
        for path, source in (
            ("/etc/hosts", places.hosts),
            ("/etc/resolv.conf", places.resolv_conf),
            ("/etc/hostname", places.hostname),
        )
        if path not in own
    ]


def _uncovered(defaults: tuple[SpecMount, ...], mounts: tuple[Mount, ...]) -> tuple[SpecMount, ...]:
    """Those that the container does not mount something of its own on; nothing in /dev if that is its own."""
    own = {posixpath.normpath(mount.container_path) for mount in mounts}
    below = "/dev/" if "/dev" in own else "//"
    return tuple(one for one in defaults if one.destination not in own and not one.destination.startswith(below))


def _covers_dev(mounts: tuple[Mount, ...]) -> bool:
    """Whether /dev is the host's directory, in which nothing is made."""
    return any(posixpath.normpath(mount.container_path) == "/dev" for mount in mounts)


def by_depth(mounts: tuple[Mount, ...]) -> list[Mount]:
    """Parents before children, otherwise as they came: a volume on /data must not hide the one on /data/cache."""
    return sorted(mounts, key=lambda mount: posixpath.normpath(mount.container_path).count("/"))


def spec_mount(mount: Mount) -> SpecMount:
    """One volume mount. Recursive, so that what is mounted below the volume on the host is there too."""
    options = ["rbind", mount.propagation.value if mount.propagation is not Propagation.PRIVATE else "rprivate"]
    if mount.readonly:
        options.append("ro")
        if mount.recursive_readonly:
            if mount.propagation is not Propagation.PRIVATE:
                raise InvalidConfigError(
                    "a recursive read-only mount must not propagate", operation=f"mount {mount.container_path}"
                )
            options.append("rro")
    elif mount.recursive_readonly:
        raise InvalidConfigError("recursive read-only needs read-only", operation=f"mount {mount.container_path}")
    options += mount.options
    return SpecMount(destination=mount.container_path, type="bind", source=str(mount.host_path), options=tuple(options))


def mount_sources(config: ContainerConfig) -> Mapping[str, MountSource]:
    """What the runtime-spec cannot say of the volume mounts, by destination."""
    return {
        mount.container_path: MountSource(
            subpath=mount.sub_path,
            make_subpath=bool(mount.sub_path) and mount.make_sub_path,
            bidirectional=mount.propagation is Propagation.BIDIRECTIONAL,
            current=mount.current,
            mapped=mount.mapped,
            note=mount.description,
        )
        for mount in config.mounts
    }


def _needs_slave_root(config: ContainerConfig) -> bool:
    """Recursive as it is, it would make slaves of the mounts that are to stay shared."""
    kinds = {mount.propagation for mount in config.mounts}
    return Propagation.HOST_TO_CONTAINER in kinds and Propagation.BIDIRECTIONAL not in kinds


def _seccomp(config: ContainerConfig, bounding: tuple[str, ...], facts: HostFacts) -> LinuxSeccomp | None:
    """Privileged containers have no filter, whatever the profile says (as containerd and CRI-O have it)."""
    security = config.security
    kind, profile = security.seccomp.type, security.seccomp.profile
    if security.privileged or kind == "Unconfined":
        return None
    if kind == "RuntimeDefault":
        return runtime_default(bounding) if facts.runtime_default is None else load_profile(str(facts.runtime_default))
    if kind == "Localhost" and profile is not None:
        path = facts.seccomp_root / profile  # an absolute one stays what it is
        if ".." in profile.parts:
            raise InvalidConfigError(f"{profile} leads out of {facts.seccomp_root}", operation="seccompProfile")
        return load_profile(str(path))
    raise InvalidConfigError(f"unknown type {kind!r}, or no profile", operation="seccompProfile.type")
