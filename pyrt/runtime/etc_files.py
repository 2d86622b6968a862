"""The three files every container of a sandbox sees: /etc/hosts, /etc/resolv.conf, /etc/hostname (pure)."""

from __future__ import annotations

from pyrt.runtime.config import DnsConfig, NamespaceMode, SandboxConfig

_ALIASES = "\n# Entries added by HostAliases."
"""The kubelet puts the pod's own lines before this comment."""


def hosts_text(config: SandboxConfig, addresses: tuple[str, ...], host_file: str) -> str:
    """/etc/hosts: the configured text with one line an address of the pod, or the host's own file."""
    if config.hosts is None:
        return host_file
    names = f"{config.fqdn}\t{config.hostname}" if config.fqdn else config.hostname
    own = "".join(f"{address}\t{names}\n" for address in addresses)
    text = config.hosts if not config.hosts or config.hosts.endswith("\n") else config.hosts + "\n"
    before, aliases, after = text.partition(_ALIASES)
    if not aliases:
        return text + own
    return before + own + aliases + after


def resolv_text(dns: DnsConfig | None, host_file: str) -> str:
    """/etc/resolv.conf (resolv.conf(5)), or the host's own."""
    if dns is None:
        return host_file
    lines = []
    if dns.searches:
        lines.append(f"search {' '.join(dns.searches)}\n")
    lines.extend(f"nameserver {server}\n" for server in dns.servers)
    if dns.options:
        lines.append(f"options {' '.join(dns.options)}\n")
    return "".join(lines)


def hostname_text(config: SandboxConfig, host_name: str) -> str:
    """/etc/hostname; the host's name when the pod shares the host's UTS namespace (with its network, as in CRI)."""
    return f"{host_name if config.network is NamespaceMode.NODE else config.hostname}\n"
