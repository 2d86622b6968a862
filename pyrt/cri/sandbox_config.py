"""``PodSandboxConfig`` -> :class:`pyrt.runtime.config.SandboxConfig` (pure).

Which field is honoured how, and which is not, is told in docs/cri.md, "Fields".
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
from pathlib import Path
from typing import Final, Literal

from pyrt.cri import runtime_pb2 as cri
from pyrt.cri.errors import invalid
from pyrt.cri.namespaces import mode, user_namespace
from pyrt.network.types import HostPort
from pyrt.runtime.config import DnsConfig, NamespaceMode, Owner, PodMetadata, SandboxConfig

HANDLERS: Final = ("", "pyrt")
"""Runtime handlers that there are: the same one, by both names."""

_HOST_NAME_MAX: Final = 64
_PROTOCOLS: Final[dict[int, Literal["tcp", "udp", "sctp"]]] = {cri.TCP: "tcp", cri.UDP: "udp", cri.SCTP: "sctp"}
_PLAIN = re.compile(r"[A-Za-z0-9_.-]{1,200}")
_CGROUP = re.compile(r"(/[A-Za-z0-9_][A-Za-z0-9_.:@-]*)+")


def sandbox_config(message: cri.PodSandboxConfig, handler: str) -> SandboxConfig:
    """One sandbox. Raises :class:`pyrt.cri.errors.CriError` with the name of the field."""
    if handler not in HANDLERS:
        raise invalid("runtime_handler", f"there is no runtime handler {handler!r}")
    if not message.HasField("metadata"):
        raise invalid("config.metadata", "expected metadata")
    for name in ("name", "namespace", "uid"):
        if not getattr(message.metadata, name):
            raise invalid(f"config.metadata.{name}", f"expected a {name}")
    if message.HasField("windows"):
        raise invalid("config.windows", "this is Linux")
    linux, security = message.linux, message.linux.security_context
    options, field = security.namespace_options, "config.linux.security_context.namespace_options"
    network = mode(options.network, f"{field}.network", cri.POD, cri.NODE)
    ids = None
    if options.HasField("userns_options"):
        ids = user_namespace(options.userns_options, f"{field}.userns_options")
    if options.target_id:
        raise invalid(f"{field}.target_id", "a sandbox has no target")
    return SandboxConfig(
        metadata=PodMetadata(
            message.metadata.name, message.metadata.namespace, message.metadata.uid, message.metadata.attempt
        ),
        hostname=_hostname(message.hostname),
        log_directory=_log_directory(message.log_directory),
        dns=_dns(message.dns_config),
        host_ports=() if network is NamespaceMode.NODE else _host_ports(message),
        network=network,
        pid=mode(options.pid, f"{field}.pid", cri.POD, cri.CONTAINER, cri.NODE),
        ipc=mode(options.ipc, f"{field}.ipc", cri.POD, cri.NODE),
        cgroup_parent=_cgroup_parent(linux.cgroup_parent, message.metadata),
        user_namespace=ids,
        sysctls=dict(linux.sysctls),
        labels=dict(message.labels),
        annotations=dict(message.annotations),
        privileged=security.privileged,
        owner=Owner.CRI,
    )


def _hostname(asked: str) -> str:
    """The host's own where none is asked for, as peers have it."""
    name = asked or os.uname().nodename[:_HOST_NAME_MAX]
    if len(name.encode()) > _HOST_NAME_MAX or "\0" in name or "\n" in name:
        raise invalid("config.hostname", f"expected at most {_HOST_NAME_MAX} characters, got {name!r}")
    return name


def _log_directory(asked: str) -> Path:
    """Empty: the containers have no logs."""
    if asked and not asked.startswith("/"):
        raise invalid("config.log_directory", f"expected an absolute path, got {asked!r}")
    return Path(asked)


def _dns(dns: cri.DNSConfig) -> DnsConfig | None:
    """Without anything in it, the host's file."""
    for name in ("servers", "searches", "options"):
        for value in getattr(dns, name):
            if not value or any(c.isspace() or c == "\0" for c in value):
                raise invalid(f"config.dns_config.{name}", f"expected a word, got {value!r}")
    if not (dns.servers or dns.searches or dns.options):
        return None
    return DnsConfig(tuple(dns.servers), tuple(dns.searches), tuple(dns.options))


def _host_ports(message: cri.PodSandboxConfig) -> tuple[HostPort, ...]:
    """Without a port of the host's a mapping publishes nothing."""
    ports = []
    for index, port in enumerate(message.port_mappings):
        field = f"config.port_mappings[{index}]"
        if port.host_port <= 0:
            continue
        if port.protocol not in _PROTOCOLS:
            raise invalid(f"{field}.protocol", f"expected TCP, UDP or SCTP, got {port.protocol}")
        for name in ("host_port", "container_port"):
            if not 0 < getattr(port, name) <= 0xFFFF:
                raise invalid(f"{field}.{name}", f"expected 1 to 65535, got {getattr(port, name)}")
        ports.append(HostPort(_PROTOCOLS[port.protocol], port.host_port, port.container_port, port.host_ip))
    return tuple(ports)


def _cgroup_parent(asked: str, metadata: cri.PodSandboxMetadata) -> str:
    """The kubelet's cgroup, from the root on. For callers that name none it is our own, and each sandbox's another:
    who writes requests by hand gives several pods one uid.
    """
    if asked in ("", "/"):
        name = f"{metadata.namespace}_{metadata.name}_{metadata.uid}_{metadata.attempt}"
        return f"cri-{name if _PLAIN.fullmatch(name) else hashlib.sha256(name.encode()).hexdigest()}"
    field = "config.linux.cgroup_parent"
    if asked.endswith(".slice"):
        raise invalid(field, f"{asked} is a systemd slice, and the cgroup driver here is cgroupfs")
    path = posixpath.normpath("/" + asked.lstrip("/"))
    if ".." in asked.split("/") or not _CGROUP.fullmatch(path):
        raise invalid(field, f"expected the path of a cgroup, got {asked!r}")
    return path
