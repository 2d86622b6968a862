"""The configuration as types. The docstring under a key is its documentation; docs/user-guide/configuration.md and
packaging/config.toml say the same for readers (a test holds the three together).

A ``__post_init__`` raises ``ValueError("key: what was expected")``; :mod:`pyrt.config.load` turns that into a
:class:`~pyrt.config.ConfigError` with the file's name and the whole key.
"""

from __future__ import annotations

import os
import re
from ipaddress import AddressValueError, IPv4Network, IPv6Network, NetmaskValueError
from pathlib import Path
from typing import Any, Literal

from pyrt.config.cni import Cni
from pyrt.config.cri import Cri
from pyrt.config.eviction import Eviction
from pyrt.config.images import Images
from pyrt.config.location import CRI_SOCKET_NAME, SOCKET_NAME
from pyrt.config.section import QUANTITY, Bytes, Section, absolute, is_address, require

_IDS_END = 2**32 - 65536
"""Beyond lie the id that means none and those that other things use as their last."""
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class Paths(Section, frozen=True, kw_only=True):
    """``[paths]``: where everything is kept. All absolute."""

    root: Path = Path("/var/lib/pyrt")
    """Persistent state: the database, images, layers, pod volumes. On a disk file system that overlay accepts."""
    run: Path = Path("/run/pyrt")
    """State that a reboot may erase: sockets, one directory a pod. On a tmpfs."""
    logs: Path = Path("/var/log/pods")
    """Container logs, ``<namespace>_<pod>_<uid>/<container>/<n>.log``."""
    manifests: Path = Path("/etc/pyrt/manifests")
    """Static pods: every file in here is a Pod."""

    def __post_init__(self) -> None:
        seen: dict[Path, str] = {}
        for key in self.__struct_fields__:
            path: Path = getattr(self, key)
            require(path.is_absolute(), key, f"expected an absolute path, got {str(path)!r}")
            require(".." not in path.parts, key, f"expected a path without '..', got {str(path)!r}")
            require(path not in seen, key, f"{path} is paths.{seen.get(path)} too; expected another directory")
            seen[path] = key


class Node(Section, frozen=True, kw_only=True):
    """``[node]``: what pods are told of the machine they run on."""

    name: str = ""
    """``spec.nodeName`` of every pod, and the suffix of static pods' names. Empty: the host name in lower case."""
    labels: dict[str, str] = {}
    """Labels of the Node object, besides kubernetes.io/hostname, os and arch."""
    resolv_conf: Path = Path("/etc/resolv.conf")
    """What pods with dnsPolicy Default get, and ClusterFirst ones while ``cluster_dns`` is empty."""
    cluster_dns: list[str] = []
    """Name servers of pods with dnsPolicy ClusterFirst."""
    cluster_domain: str = "cluster.local"
    """The domain of pods that have a subdomain."""
    max_pods: int = 1000
    """Pods that have not ended which the node takes, 1 or more (kubelet's maxPods, whose default is 110)."""
    reserved: dict[str, str] = {}
    """What pods cannot ask for, of cpu, memory, ephemeral-storage: ``{ memory = "512Mi" }`` (kubelet's
    systemReserved)."""

    def __post_init__(self) -> None:
        require(self.max_pods >= 1, "max_pods", f"expected 1 or more, got {self.max_pods}")
        for name, amount in self.reserved.items():
            require(
                name in ("cpu", "memory", "ephemeral-storage") and QUANTITY.fullmatch(amount) is not None,
                "reserved",
                f'expected quantities of cpu, memory, ephemeral-storage, got {name} = "{amount}"',
            )
        for label in self.name.split(".") if self.name else ():
            require(_DNS_LABEL.fullmatch(label) is not None, "name", f"expected a DNS name, got {self.name!r}")
        for label in self.cluster_domain.split("."):
            require(
                _DNS_LABEL.fullmatch(label) is not None,
                "cluster_domain",
                f"expected a DNS name, got {self.cluster_domain!r}",
            )
        for server in self.cluster_dns:
            require(is_address(server), "cluster_dns", f"expected IP addresses, got {server!r}")
        require(self.resolv_conf.is_absolute(), "resolv_conf", f"expected an absolute path, got {self.resolv_conf}")

    @property
    def effective_name(self) -> str:
        """``name``, or the host's own."""
        return self.name or os.uname().nodename.lower()


class Network(Section, frozen=True, kw_only=True):
    """``[network]``: the pods' addresses and the way out."""

    ipv4_cidr: str = "10.231.0.0/16"
    """Pods' IPv4 addresses come from here. Empty: no IPv4 in pods. The smallest is a /29, for 5 pods."""
    ipv6_cidr: str = "fd0c:5079:7274::/64"
    """Pods' IPv6 addresses come from here. Empty: no IPv6 in pods. The smallest is a /125, for 6
    pods."""
    mtu: int = 0
    """Of every pod's eth0, 1280 to 65535. 0: that of the interface which has the host's default route."""
    interface_prefix: str = "pyrt"
    """Names of the host's sides of the veth pairs start with it; at most 7 letters and digits."""
    nft_table: str = "pyrt"
    """The nftables table (family inet) that the daemon owns."""
    masquerade: bool = True
    """Give packets from pods to anything but pods the host's address."""

    def __post_init__(self) -> None:
        ipv4, ipv6 = self.ipv4, self.ipv6
        require(ipv4 is not None or ipv6 is not None, "ipv4_cidr", "expected a CIDR, as ipv6_cidr is empty too")
        if ipv4 is not None:
            require(ipv4.prefixlen <= 29, "ipv4_cidr", f"expected a prefix of /29 or shorter, got /{ipv4.prefixlen}")
            for reserved in _RESERVED_V4:
                require(not ipv4.overlaps(reserved), "ipv4_cidr", f"{ipv4} overlaps the reserved {reserved}")
        if ipv6 is not None:
            require(ipv6.prefixlen <= 125, "ipv6_cidr", f"expected a prefix of /125 or shorter, got /{ipv6.prefixlen}")
            for reserved6 in _RESERVED_V6:
                require(not ipv6.overlaps(reserved6), "ipv6_cidr", f"{ipv6} overlaps the reserved {reserved6}")
        require(self.mtu == 0 or 1280 <= self.mtu <= 65535, "mtu", f"expected 0 or 1280 to 65535, got {self.mtu}")
        require(
            re.fullmatch(r"[A-Za-z][A-Za-z0-9]{0,6}", self.interface_prefix) is not None,
            "interface_prefix",
            f"expected 1 to 7 letters and digits, the first a letter, got {self.interface_prefix!r}",
        )
        require(
            re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,63}", self.nft_table) is not None,
            "nft_table",
            f"expected letters, digits and _, the first a letter, got {self.nft_table!r}",
        )

    @property
    def ipv4(self) -> IPv4Network | None:
        """``ipv4_cidr``, typed; ``None`` when the family is off."""
        if not self.ipv4_cidr:
            return None
        try:
            return IPv4Network(self.ipv4_cidr)
        except (AddressValueError, NetmaskValueError, ValueError) as error:
            raise ValueError(f"ipv4_cidr: expected an IPv4 CIDR such as 10.231.0.0/16: {error}") from error

    @property
    def ipv6(self) -> IPv6Network | None:
        """``ipv6_cidr``, typed; ``None`` when the family is off."""
        if not self.ipv6_cidr:
            return None
        try:
            return IPv6Network(self.ipv6_cidr)
        except (AddressValueError, NetmaskValueError, ValueError) as error:
            raise ValueError(f"ipv6_cidr: expected an IPv6 CIDR such as fd0c:5079:7274::/64: {error}") from error


_RESERVED_V4 = tuple(map(IPv4Network, ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3")))
_RESERVED_V6 = tuple(map(IPv6Network, ("::/96", "::ffff:0:0/96", "fe80::/10", "ff00::/8")))


class Cgroup(Section, frozen=True, kw_only=True):
    """``[cgroup]``."""

    driver: Literal["auto", "cgroupfs", "systemd"] = "auto"
    """Who makes cgroups: this daemon (cgroupfs) or systemd. auto: systemd where it runs the machine on cgroup v2."""
    parent: str = "pyrt"
    """The cgroup under which every pod's is made, relative to each hierarchy's root: ``pyrt``, ``machine/pyrt``."""

    def __post_init__(self) -> None:
        parts = self.parent.split("/")
        valid = all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.:@\\-]*", part) for part in parts)
        require(valid, "parent", f"expected a relative cgroup path such as pyrt, got {self.parent!r}")


class Logs(Section, frozen=True, kw_only=True):
    """``[logs]``: rotation, per container."""

    max_size: Bytes = Bytes(10 * 2**20)
    """A log file is rotated before it grows beyond this; at least 64Ki."""
    max_files: int = 5
    """Files kept per container, the current one included, 2 to 1000."""
    compress: bool = True
    """Compress rotated files but the newest (gzip)."""

    def __post_init__(self) -> None:
        require(self.max_size >= 65536, "max_size", f"expected at least 64Ki, got {self.max_size}")
        require(2 <= self.max_files <= 1000, "max_files", f"expected 2 to 1000, got {self.max_files}")


class Runtime(Section, frozen=True, kw_only=True):
    """``[runtime]``: running containers."""

    crash_loop_max_seconds: int = 300
    """The longest back-off between restarts of a container, 1 to 300 (kubelet's maxContainerRestartPeriod)."""
    allowed_unsafe_sysctls: list[str] = []
    """Sysctls beyond Kubernetes' safe set that pods may ask for; ``net.core.*`` allows a family."""
    default_pids_limit: int = 0
    """Processes and threads a pod may have; 0 for no limit of its own (kubelet's podPidsLimit)."""
    seccomp_profile: Path | None = None
    """A profile (JSON, containers' format) in place of the built-in RuntimeDefault."""
    seccomp_root: Path = Path("/etc/pyrt/seccomp")
    """Localhost profiles are found beneath it."""
    apparmor_profile: str = ""
    """The loaded AppArmor profile that RuntimeDefault means, also for containers that name none. Empty: none, and
    RuntimeDefault is refused."""
    userns_first_id: int = 65536
    """The first id on the host that pods with ``hostUsers: false`` get; a multiple of 65536, 65536 or more."""
    userns_ids_per_pod: int = 65536
    """How many user and group ids such a pod has; a multiple of 65536 (kubelet's userNamespaces.idsPerPod)."""
    userns_max_pods: int = 1000
    """For how many such pods there are ids. All of them lie below 4294901760."""

    def __post_init__(self) -> None:
        first, length, count = self.userns_first_id, self.userns_ids_per_pod, self.userns_max_pods
        for key, value in (("userns_first_id", first), ("userns_ids_per_pod", length)):
            require(value > 0 and value % 65536 == 0, key, f"expected a multiple of 65536, got {value}")
        require(count >= 0, "userns_max_pods", f"expected 0 or more, got {count}")
        require(
            first + length * count <= _IDS_END,
            "userns_max_pods",
            f"expected ids below {_IDS_END}, got {count} times {length} from {first} on",
        )
        require(
            1 <= self.crash_loop_max_seconds <= 300,
            "crash_loop_max_seconds",
            f"expected 1 to 300, got {self.crash_loop_max_seconds}",
        )
        require(
            self.default_pids_limit >= 0, "default_pids_limit", f"expected 0 or more, got {self.default_pids_limit}"
        )
        for name in self.allowed_unsafe_sysctls:
            require(
                re.fullmatch(r"[a-z0-9_]+([./][A-Za-z0-9_\-]+)*([./]?\*)?", name) is not None,
                "allowed_unsafe_sysctls",
                f"expected sysctl names such as net.core.somaxconn or kernel.msg*, got {name!r}",
            )
        absolute(self.seccomp_profile, "seccomp_profile")
        absolute(self.seccomp_root, "seccomp_root")


class StaticPods(Section, frozen=True, kw_only=True):
    """``[static_pods]``: pods that the node runs without being asked through the API. Their directory is
    ``paths.manifests``.
    """

    url: str = ""
    """Another source of manifests: a URL that answers with a Pod or a PodList (kubelet's staticPodURL)."""
    headers: dict[str, str] = {}
    """Sent with every request for ``url`` (kubelet's staticPodURLHeader)."""
    interval_seconds: int = 20
    """Between two looks at the directory, which is also watched, and at the URL; 1 or more."""

    def __post_init__(self) -> None:
        require(
            not self.url or re.fullmatch(r"https?://[^/\s]+(/\S*)?", self.url) is not None,
            "url",
            f"expected http://host[:port][/path] or https://..., got {self.url!r}",
        )
        require(self.interval_seconds >= 1, "interval_seconds", f"expected 1 or more, got {self.interval_seconds}")
        for name, value in self.headers.items():
            require(
                re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name) is not None and not {"\r", "\n"} & set(value),
                "headers",
                f"expected names and values of HTTP headers, got {name!r}",
            )


class Api(Section, frozen=True, kw_only=True):
    """``[api]``: the socket of the Kubernetes-style API."""

    socket: Path | None = None
    """Unset: ``pyrt.sock`` in paths.run."""
    mode: int = 0o600
    """Permission bits of the socket: whoever may write to it is root on this machine."""
    event_ttl_seconds: int = 3600
    """An event that has not happened again for so long is forgotten (kube-apiserver's --event-ttl)."""

    def __post_init__(self) -> None:
        absolute(self.socket, "socket")
        require(self.event_ttl_seconds > 0, "event_ttl_seconds", f"expected 1 or more, got {self.event_ttl_seconds}")
        require(0 <= self.mode <= 0o777, "mode", f"expected permission bits such as 0o600, got {oct(self.mode)}")
        require(
            self.socket is None or len(os.fsencode(self.socket)) <= 107,
            "socket",
            "expected at most 107 bytes: the length of a unix socket's name (unix(7))",
        )


class Config(Section, frozen=True, kw_only=True):
    """The whole file. Made by :func:`pyrt.config.load_config`; frozen."""

    paths: Paths = Paths()
    node: Node = Node()
    network: Network = Network()
    cni: Cni = Cni()
    cgroup: Cgroup = Cgroup()
    images: Images = Images()
    logs: Logs = Logs()
    runtime: Runtime = Runtime()
    eviction: Eviction = Eviction()
    static_pods: StaticPods = StaticPods()
    api: Api = Api()
    cri: Cri = Cri()

    def __post_init__(self) -> None:
        require(
            len(os.fsencode(self.api_socket)) <= 107,
            "paths.run",
            f"expected a shorter path: the API socket {self.api_socket} would be longer than 107 bytes",
        )

    @property
    def api_socket(self) -> Path:
        """Where the API listens."""
        return self.api.socket if self.api.socket is not None else self.paths.run / SOCKET_NAME

    @property
    def cri_socket(self) -> Path:
        """Where CRI is served, if it is."""
        return self.cri.socket if self.cri.socket is not None else self.paths.run / CRI_SOCKET_NAME


def decode_scalar(kind: type, value: Any) -> Any:
    """``msgspec`` decoding hook for the types it does not know. Raises ``ValueError``."""
    if kind is Path:
        if not isinstance(value, str) or not value or "\0" in value:
            raise ValueError("expected a path, as a string")
        return Path(value)
    if kind is Bytes:
        return Bytes.parse(value)
    raise NotImplementedError(kind)
