"""What of a pod the plugins are told: CNI_ARGS, and capability arguments for those that declare them (pure).

The names are CNI's conventions (CONVENTIONS.md); Kubernetes' part is what containerd and CRI-O pass, so that plugins
find under pyrt what they are used to.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from ipaddress import ip_interface

from pyrt.kube.quantity import QuantityError, units, value
from pyrt.network.cni.errors import CniError
from pyrt.network.types import HostPort

INGRESS = "kubernetes.io/ingress-bandwidth"
EGRESS = "kubernetes.io/egress-bandwidth"
"""Bits a second, as quantities (``10M``)."""
IPS = "pyrt.dev/cni-ips"
"""Addresses that the pod would like to have: ``10.1.2.3, fd00::3/64``."""
MAC = "pyrt.dev/cni-mac"
"""The hardware address that its eth0 should have."""
ALIASES = "pyrt.dev/cni-aliases"
"""Names by which others in the network may call it: ``db, primary``."""
_POD_ANNOTATIONS = "io.kubernetes.cri.pod-annotations"

_SLOWEST, _FASTEST = Fraction(1000), Fraction(10) ** 15
_BURST = 2**32 - 1
"""Bits; the most that the bandwidth plugin takes: traffic is shaped by its rate alone."""
_MAC = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")


@dataclass(frozen=True, slots=True)
class Pod:
    """Whom a sandbox belongs to, and what it asks of its network."""

    namespace: str
    name: str
    uid: str
    annotations: Mapping[str, str] = field(default_factory=dict)
    host_ports: tuple[HostPort, ...] = ()
    dns: Mapping[str, tuple[str, ...]] | None = None
    """``servers``, ``searches``, ``options``."""
    cgroup: str = ""
    """The pod's cgroup, from the root of the hierarchies."""

    @property
    def subject(self) -> str:
        """``pod default/web``."""
        return f"pod {self.namespace}/{self.name}"


def arguments(pod: Pod, sandbox_id: str) -> tuple[tuple[str, str], ...]:
    """CNI_ARGS. Raises :class:`CniError` for what would become something else in there."""
    pairs = (
        ("IgnoreUnknown", "1"),
        ("K8S_POD_NAMESPACE", pod.namespace),
        ("K8S_POD_NAME", pod.name),
        ("K8S_POD_INFRA_CONTAINER_ID", sandbox_id),
        ("K8S_POD_UID", pod.uid),
    )
    for key, text in pairs:
        if set(text) & set(";=\0"):
            raise CniError(f"expected neither ';' nor '=', got {text!r}", subject=pod.subject, operation=key)
    return pairs


def capabilities(pod: Pod) -> dict[str, object]:
    """Every capability that there is something to say about. Raises :class:`CniError` for a senseless annotation."""
    found: dict[str, object] = {_POD_ANNOTATIONS: dict(pod.annotations)}
    ports = [_mapping(port) for port in pod.host_ports if port.host_port > 0]
    if ports:
        found["portMappings"] = ports
    bandwidth = _bandwidth(pod)
    if bandwidth:
        found["bandwidth"] = bandwidth
    if pod.dns is not None:
        found["dns"] = {key: list(pod.dns.get(key, ())) for key in ("servers", "searches", "options")}
    if pod.cgroup:
        found["cgroupPath"] = pod.cgroup
    ips = _words(pod, IPS)
    for text in ips:
        try:
            ip_interface(text)
        except ValueError as error:
            raise _senseless(pod, IPS, f"expected IP addresses, got {text!r}") from error
    if ips:
        found["ips"] = ips
    mac = pod.annotations.get(MAC, "")
    if mac:
        if not _MAC.fullmatch(mac):
            raise _senseless(pod, MAC, f"expected six bytes such as 0a:58:0a:e7:00:05, got {mac!r}")
        found["mac"] = mac
    aliases = _words(pod, ALIASES)
    if aliases:
        found["aliases"] = aliases
    return found


def _mapping(port: HostPort) -> dict[str, object]:
    mapping: dict[str, object] = {
        "hostPort": port.host_port,
        "containerPort": port.container_port,
        "protocol": port.protocol,
    }
    return {**mapping, "hostIP": port.host_ip} if port.host_ip else mapping


def _bandwidth(pod: Pod) -> dict[str, int]:
    found: dict[str, int] = {}
    for direction, key in (("ingress", INGRESS), ("egress", EGRESS)):
        text = pod.annotations.get(key)
        if text is None:
            continue
        try:
            rate = value(text)
        except QuantityError as error:
            raise _senseless(pod, key, f"expected bits a second such as 10M, got {text!r}") from error
        if not _SLOWEST <= rate <= _FASTEST:
            raise _senseless(pod, key, f"expected 1k to 1P bits a second, got {text!r}")
        found[f"{direction}Rate"], found[f"{direction}Burst"] = units(text), _BURST
    return found


def _words(pod: Pod, key: str) -> list[str]:
    return [word.strip() for word in pod.annotations.get(key, "").split(",") if word.strip()]


def _senseless(pod: Pod, key: str, message: str) -> CniError:
    return CniError(message, subject=pod.subject, operation=f"annotation {key}")
