"""A small file system in memory with the files that all containers of a sandbox see: /etc/hosts and its like.

Each sandbox has one of its own, of bounded size: containers may write to these files, and what one pod writes must
take no room from another. It is made detached, filled, and attached by the pod process in its own mount namespace,
with which it goes: the host never sees it.
"""

from __future__ import annotations

import os

from pyrt import _native
from pyrt._native import Errand
from pyrt.launch import constants as k
from pyrt.runtime.config import SandboxConfig
from pyrt.runtime.errors import SandboxError
from pyrt.runtime.etc_files import hostname_text, hosts_text, resolv_text

_OPTIONS = (("mode", "755"), ("size", "1m"), ("nr_inodes", "16"))
_ATTRIBUTES = k.MOUNT_ATTR_NOSUID | k.MOUNT_ATTR_NODEV | k.MOUNT_ATTR_NOEXEC


def begin_files(config: SandboxConfig, addresses: tuple[str, ...]) -> Errand | None:
    """Have it made while the caller goes on, if nothing of the host's and nobody else's ids are needed for it: for
    :func:`make_files`.
    """
    if config.hosts is None or config.dns is None or config.user_namespace is not None:
        return None
    texts = (
        ("hosts", hosts_text(config, addresses, "")),
        ("resolv.conf", resolv_text(config.dns, "")),
        ("hostname", hostname_text(config, os.uname().nodename)),
    )
    if any("\0" in text for _, text in texts):
        return None
    try:
        return Errand.files("".join(f"{name}\0{text}\0" for name, text in texts), _ATTRIBUTES)
    except OSError:
        return None  # make_files meets the same, or not, and tells


def make_files(
    config: SandboxConfig, addresses: tuple[str, ...], host_resolv_conf: str, begun: Errand | None = None
) -> int:
    """A descriptor of the detached mount; the caller closes it. Raises :class:`SandboxError`."""
    if begun is not None and begun.wait() == 0:
        return begun.fd
    mount = -1
    try:
        context = _native.fsopen("tmpfs")
        try:
            for key, value in _OPTIONS:
                _native.fsconfig(context, _native.FSCONFIG_SET_STRING, key, value)
            _native.fsconfig(context, _native.FSCONFIG_CMD_CREATE)
            mount = _native.fsmount(context, _ATTRIBUTES)
        finally:
            os.close(context)
        host_hosts = _read("/etc/hosts") if config.hosts is None else ""
        host_resolv = _read(host_resolv_conf) if config.dns is None else ""
        _write(mount, "hosts", hosts_text(config, addresses, host_hosts))
        _write(mount, "resolv.conf", resolv_text(config.dns, host_resolv))
        _write(mount, "hostname", hostname_text(config, os.uname().nodename))
        if config.user_namespace is not None:
            # Of the pod's root. Not by mapped ids, which tmpfs has since Linux 6.3 only.
            owner = config.user_namespace.first
            for name in (".", "hosts", "resolv.conf", "hostname"):
                os.chown(name, owner, owner, dir_fd=mount)
    except OSError as error:
        if mount >= 0:
            os.close(mount)
        raise SandboxError(operation="make the sandbox's /etc files", errno=error.errno) from error
    return mount


def write_addresses(mount: int, config: SandboxConfig, addresses: tuple[str, ...]) -> None:
    """Name the sandbox's own addresses in /etc/hosts: for one that gets them only after its files have been made.

    Raises :class:`SandboxError`.
    """
    if config.hosts is None:
        return
    try:
        fd = os.open("hosts", os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=mount)
        try:
            os.write(fd, hosts_text(config, addresses, "").encode())
        finally:
            os.close(fd)
    except OSError as error:
        raise SandboxError(operation="write /etc/hosts", errno=error.errno) from error


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except FileNotFoundError:
        return ""


def _write(directory: int, name: str, text: str) -> None:
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=directory)
    try:
        os.fchmod(fd, 0o644)  # whatever the umask
        os.write(fd, text.encode())
    finally:
        os.close(fd)
