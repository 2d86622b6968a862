"""/etc/resolv.conf of a pod, from dnsPolicy and dnsConfig (kubelet, ``pkg/kubelet/network/dns/dns.go``)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pyrt.kube.pod import Pod, PodDNSConfig
from pyrt.runtime.config import DnsConfig

MAX_SERVERS: Final = 3
"""What the resolver reads (resolv.conf(5), MAXNS)."""
MAX_SEARCHES: Final = 32
MAX_SEARCH_CHARS: Final = 2048
STUB_ADDRESSES: Final = frozenset(("127.0.0.53", "127.0.0.54"))
"""systemd-resolved's own listeners: of the host's loopback, which a pod does not have."""
RESOLVED_UPSTREAM: Final = Path("/run/systemd/resolve/resolv.conf")


@dataclass(frozen=True, slots=True)
class ClusterDns:
    """What pods with dnsPolicy ClusterFirst ask."""

    servers: tuple[str, ...] = ()
    domain: str = "cluster.local"


@dataclass(frozen=True, slots=True)
class PodDns:
    """The outcome, and the warnings (event reason, message) that go with it."""

    config: DnsConfig
    warnings: tuple[tuple[str, str], ...] = ()


def read_resolv_conf(path: Path, upstream: Path = RESOLVED_UPSTREAM) -> DnsConfig:
    """The host's resolver configuration; empty if there is none. A stub's upstream servers are taken instead of the
    stub.
    """
    config = parse_resolv_conf(_text(path))
    if config.servers and set(config.servers) <= STUB_ADDRESSES:
        real = parse_resolv_conf(_text(upstream))
        if real.servers:
            return real
    return config


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def parse_resolv_conf(text: str) -> DnsConfig:
    """resolv.conf(5): the last ``search`` (or ``domain``) line counts, options add up."""
    servers: list[str] = []
    searches: list[str] = []
    options: list[str] = []
    for line in text.splitlines():
        if line.startswith(("#", ";")):
            continue
        keyword, *values = line.split() or [""]
        if keyword == "nameserver" and values:
            servers.append(values[0])
        elif keyword == "search":
            # A root domain is of no use in a search list, and resolvers stumble over it.
            searches = [domain.rstrip(".") if domain != "." else domain for domain in values]
        elif keyword == "domain" and values and not searches:
            searches = values[:1]
        elif keyword == "options":
            options += [value for value in values if value not in options]
    return DnsConfig(tuple(servers), tuple(searches), tuple(options))


def pod_dns(pod: Pod, host: DnsConfig, cluster: ClusterDns) -> PodDns:
    """What a pod's resolv.conf says. Pure."""
    warnings: list[tuple[str, str]] = []
    policy = pod.spec.dns_policy or "ClusterFirst"
    if policy == "ClusterFirst" and pod.spec.host_network:
        policy = "Default"
    if policy in ("ClusterFirst", "ClusterFirstWithHostNet") and not cluster.servers:
        message = (
            f'pod: "{pod.metadata.name}_{pod.metadata.namespace}({pod.metadata.uid})". kubelet does not have '
            f'ClusterDNS IP configured and cannot create Pod using "{policy}" policy. Falling back to "Default" policy.'
        )
        warnings.append(("MissingClusterDNS", message))
        policy = "Default"
    if policy == "None":
        base = DnsConfig()
    elif policy == "Default":
        base = host
    else:
        domains = (f"{pod.metadata.namespace}.svc.{cluster.domain}", f"svc.{cluster.domain}", cluster.domain)
        base = DnsConfig(cluster.servers, _unique((*domains, *host.searches)), ("ndots:5",))
    merged = _merged(base, pod.spec.dns_config) if pod.spec.dns_config is not None else base
    return _limited(merged, pod, warnings)


def _merged(base: DnsConfig, extra: PodDNSConfig) -> DnsConfig:
    options = {option.partition(":")[0]: option for option in base.options}
    for option in extra.options:
        options[option.name] = f"{option.name}:{option.value}" if option.value else option.name
    return DnsConfig(
        _unique((*base.servers, *extra.nameservers)),
        _unique((*base.searches, *extra.searches)),
        tuple(options.values()),
    )


def _unique(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def _limited(config: DnsConfig, pod: Pod, warnings: list[tuple[str, str]]) -> PodDns:
    servers, searches = config.servers, config.searches
    if len(servers) > MAX_SERVERS:
        servers = servers[:MAX_SERVERS]
        message = (
            "Nameserver limits were exceeded, some nameservers have been omitted, "
            f"the applied nameserver line is: {' '.join(servers)}"
        )
        warnings.append(("DNSConfigForming", message))
    if len(searches) > MAX_SEARCHES or len(" ".join(searches)) > MAX_SEARCH_CHARS:
        searches = searches[:MAX_SEARCHES]
        while len(" ".join(searches)) > MAX_SEARCH_CHARS:
            searches = searches[:-1]
        message = (
            "Search Line limits were exceeded, some search paths have been omitted, "
            f"the applied search line is: {' '.join(searches)}"
        )
        warnings.append(("DNSConfigForming", message))
    return PodDns(DnsConfig(servers, searches, config.options), tuple(warnings))
