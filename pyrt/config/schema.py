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

import msgspec

from pyrt.config.location import SOCKET_NAME

_SUFFIXES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_SIZE = re.compile(r"([0-9]+)(|k|M|G|T|Ki|Mi|Gi|Ti)")
_QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?(|m|k|M|G|T|Ki|Mi|Gi|Ti)")
_PERCENT = re.compile(r"(100|[0-9]{1,2}(\.[0-9]+)?)%")
SIGNALS = (
    "memory.available",
    "nodefs.available",
    "nodefs.inodesFree",
    "imagefs.available",
    "imagefs.inodesFree",
    "pid.available",
)
"""What the node watches: kubelet's eviction signals."""
_IDS_END = 2**32 - 65536
"""Beyond lie the id that means none and those that other things use as their last."""
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_REGISTRY = re.compile(r"[A-Za-z0-9.\-]+(:[0-9]+)?|\[[0-9a-fA-F:]+\](:[0-9]+)?")


class Bytes(int):
    """A number of bytes, written in the file as an integer or as a Kubernetes quantity (``10Mi``, ``2G``)."""

    @classmethod
    def parse(cls, value: object) -> Bytes:
        """From what TOML gave. Raises ``ValueError``."""
        if isinstance(value, int) and not isinstance(value, bool):
            if value < 0:
                raise ValueError("expected a size of at least 0 bytes")
            return cls(value)
        match = _SIZE.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise ValueError('expected a number of bytes, or a string such as "10Mi" or "2G"')
        return cls(int(match[1]) * _SUFFIXES[match[2]])


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file."""


def _require(condition: bool, key: str, expected: str) -> None:
    if not condition:
        raise ValueError(f"{key}: {expected}")


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
            _require(path.is_absolute(), key, f"expected an absolute path, got {str(path)!r}")
            _require(".." not in path.parts, key, f"expected a path without '..', got {str(path)!r}")
            _require(path not in seen, key, f"{path} is paths.{seen.get(path)} too; expected another directory")
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
        _require(self.max_pods >= 1, "max_pods", f"expected 1 or more, got {self.max_pods}")
        for name, amount in self.reserved.items():
            _require(
                name in ("cpu", "memory", "ephemeral-storage") and _QUANTITY.fullmatch(amount) is not None,
                "reserved",
                f'expected quantities of cpu, memory, ephemeral-storage, got {name} = "{amount}"',
            )
        for label in self.name.split(".") if self.name else ():
            _require(_DNS_LABEL.fullmatch(label) is not None, "name", f"expected a DNS name, got {self.name!r}")
        for label in self.cluster_domain.split("."):
            _require(
                _DNS_LABEL.fullmatch(label) is not None,
                "cluster_domain",
                f"expected a DNS name, got {self.cluster_domain!r}",
            )
        for server in self.cluster_dns:
            _require(_is_address(server), "cluster_dns", f"expected IP addresses, got {server!r}")
        _require(self.resolv_conf.is_absolute(), "resolv_conf", f"expected an absolute path, got {self.resolv_conf}")

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
        _require(ipv4 is not None or ipv6 is not None, "ipv4_cidr", "expected a CIDR, as ipv6_cidr is empty too")
        if ipv4 is not None:
            _require(ipv4.prefixlen <= 29, "ipv4_cidr", f"expected a prefix of /29 or shorter, got /{ipv4.prefixlen}")
            for reserved in _RESERVED_V4:
                _require(not ipv4.overlaps(reserved), "ipv4_cidr", f"{ipv4} overlaps the reserved {reserved}")
        if ipv6 is not None:
            _require(ipv6.prefixlen <= 125, "ipv6_cidr", f"expected a prefix of /125 or shorter, got /{ipv6.prefixlen}")
            for reserved6 in _RESERVED_V6:
                _require(not ipv6.overlaps(reserved6), "ipv6_cidr", f"{ipv6} overlaps the reserved {reserved6}")
        _require(self.mtu == 0 or 1280 <= self.mtu <= 65535, "mtu", f"expected 0 or 1280 to 65535, got {self.mtu}")
        _require(
            re.fullmatch(r"[A-Za-z][A-Za-z0-9]{0,6}", self.interface_prefix) is not None,
            "interface_prefix",
            f"expected 1 to 7 letters and digits, the first a letter, got {self.interface_prefix!r}",
        )
        _require(
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


def _is_address(text: str) -> bool:
    from ipaddress import ip_address

    try:
        ip_address(text)
    except ValueError:
        return False
    return True


class Cgroup(Section, frozen=True, kw_only=True):
    """``[cgroup]``."""

    driver: Literal["auto", "cgroupfs", "systemd"] = "auto"
    """Who makes cgroups: this daemon (cgroupfs) or systemd. auto: systemd where it runs the machine on cgroup v2."""
    parent: str = "pyrt"
    """The cgroup under which every pod's is made, relative to each hierarchy's root: ``pyrt``, ``machine/pyrt``."""

    def __post_init__(self) -> None:
        parts = self.parent.split("/")
        valid = all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.:@\\-]*", part) for part in parts)
        _require(valid, "parent", f"expected a relative cgroup path such as pyrt, got {self.parent!r}")


class Mirror(Section, frozen=True, kw_only=True):
    """``[images.mirrors."docker.io"]``: where the content of one registry really comes from. Names stay canonical."""

    url: str = ""
    """Another registry: ``http://127.0.0.1:5000`` or ``https://mirror.example/prefix``."""
    layout: Path | None = None
    """Or a local OCI layout directory, whose index names images with org.opencontainers.image.ref.name."""
    insecure: bool = False
    """Accept any TLS certificate from ``url``."""
    ca_file: Path | None = None
    """PEM certificates to trust for ``url``, besides the system's."""

    def __post_init__(self) -> None:
        _require(bool(self.url) != (self.layout is not None), "url", "expected exactly one of url and layout")
        _require(
            not self.url or re.fullmatch(r"https?://[^/\s]+(/\S*)?", self.url) is not None,
            "url",
            f"expected http://host[:port][/path] or https://..., got {self.url!r}",
        )
        _absolute(self.layout, "layout")
        _absolute(self.ca_file, "ca_file")


class Registry(Section, frozen=True, kw_only=True):
    """``[images.registries."registry.example:5000"]``: how to talk to one registry."""

    insecure: bool = False
    """Accept any TLS certificate, and plain HTTP when TLS does not answer."""
    ca_file: Path | None = None
    """PEM certificates to trust, besides the system's."""
    username: str = ""
    """Used when neither imagePullSecrets nor ``auth_file`` name this registry."""
    password_file: Path | None = None
    """A file that holds the password of ``username`` (a trailing newline is dropped)."""

    def __post_init__(self) -> None:
        _absolute(self.ca_file, "ca_file")
        _absolute(self.password_file, "password_file")
        _require(
            bool(self.username) == (self.password_file is not None),
            "username",
            "expected username and password_file together",
        )


def _absolute(path: Path | None, key: str) -> None:
    _require(path is None or path.is_absolute(), key, f"expected an absolute path, got {str(path)!r}")


class Images(Section, frozen=True, kw_only=True):
    """``[images]``: pulling and keeping."""

    mirrors: dict[str, Mirror] = {}
    """Registry host (``docker.io``, ``registry.k8s.io``, ``localhost:5000``) to its mirror."""
    registries: dict[str, Registry] = {}
    """Registry host to its settings."""
    insecure_registries: list[str] = []
    """Hosts for which ``insecure`` is meant: short for a ``registries`` table each."""
    auth_file: Path = Path("/root/.docker/config.json")
    """Credentials in the format of ``docker login``; a missing file is no error."""
    max_image_bytes: Bytes = Bytes(64 * 2**30)
    """The most that all layers of one image may unpack to; 0 for no limit."""
    max_layer_bytes: Bytes = Bytes(32 * 2**30)
    """The most that one layer may unpack to; 0 for no limit."""
    parallel_downloads: int = 4
    """Blobs of one image fetched at the same time, 1 to 32."""
    pull_timeout_seconds: int = 3600
    """A whole pull may take this long."""
    stall_timeout_seconds: int = 60
    """A connection that brings nothing for so long is given up and resumed."""
    keep_blobs: bool = True
    """Keep the compressed layers of pulled images, which ``pyrt image save`` needs. Without them an image takes about a
    third less disk."""
    max_layer_entries: int = 4_000_000
    """The most files, directories and links that one layer may have."""
    gc_high_percent: int = 85
    """Use of the images' file system at which unused images are removed, the longest unused first; 100: never."""
    gc_low_percent: int = 80
    """Use of the images' file system down to which they are removed."""
    gc_min_age_seconds: int = 120
    """An image that came less long ago is left alone."""

    def __post_init__(self) -> None:
        _require(
            0 <= self.gc_low_percent <= self.gc_high_percent <= 100,
            "gc_high_percent",
            f"expected gc_low_percent <= gc_high_percent <= 100, got {self.gc_low_percent} and {self.gc_high_percent}",
        )
        _require(self.gc_min_age_seconds >= 0, "gc_min_age_seconds", "expected 0 or more seconds")
        _require(self.max_layer_entries > 0, "max_layer_entries", "expected more than 0")
        _require(
            1 <= self.parallel_downloads <= 32, "parallel_downloads", f"expected 1 to 32, got {self.parallel_downloads}"
        )
        _require(self.pull_timeout_seconds > 0, "pull_timeout_seconds", "expected more than 0 seconds")
        _require(self.stall_timeout_seconds > 0, "stall_timeout_seconds", "expected more than 0 seconds")
        _absolute(self.auth_file, "auth_file")
        for key, hosts in (
            ("mirrors", self.mirrors),
            ("registries", self.registries),
            ("insecure_registries", self.insecure_registries),
        ):
            for host in hosts:
                _require(_REGISTRY.fullmatch(host) is not None, key, f"expected registry hosts, got {host!r}")

    def insecure(self, host: str) -> bool:
        """Whether ``host`` may be talked to without a valid certificate."""
        settings = self.registries.get(host)
        return host in self.insecure_registries or (settings is not None and settings.insecure)


class Logs(Section, frozen=True, kw_only=True):
    """``[logs]``: rotation, per container."""

    max_size: Bytes = Bytes(10 * 2**20)
    """A log file is rotated before it grows beyond this; at least 64Ki."""
    max_files: int = 5
    """Files kept per container, the current one included, 2 to 1000."""
    compress: bool = True
    """Compress rotated files but the newest (gzip)."""

    def __post_init__(self) -> None:
        _require(self.max_size >= 65536, "max_size", f"expected at least 64Ki, got {self.max_size}")
        _require(2 <= self.max_files <= 1000, "max_files", f"expected 2 to 1000, got {self.max_files}")


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
            _require(value > 0 and value % 65536 == 0, key, f"expected a multiple of 65536, got {value}")
        _require(count >= 0, "userns_max_pods", f"expected 0 or more, got {count}")
        _require(
            first + length * count <= _IDS_END,
            "userns_max_pods",
            f"expected ids below {_IDS_END}, got {count} times {length} from {first} on",
        )
        _require(
            1 <= self.crash_loop_max_seconds <= 300,
            "crash_loop_max_seconds",
            f"expected 1 to 300, got {self.crash_loop_max_seconds}",
        )
        _require(
            self.default_pids_limit >= 0, "default_pids_limit", f"expected 0 or more, got {self.default_pids_limit}"
        )
        for name in self.allowed_unsafe_sysctls:
            _require(
                re.fullmatch(r"[a-z0-9_]+([./][A-Za-z0-9_\-]+)*([./]?\*)?", name) is not None,
                "allowed_unsafe_sysctls",
                f"expected sysctl names such as net.core.somaxconn or kernel.msg*, got {name!r}",
            )
        _absolute(self.seccomp_profile, "seccomp_profile")
        _absolute(self.seccomp_root, "seccomp_root")


class Eviction(Section, frozen=True, kw_only=True):
    """``[eviction]``: which pods go when the node runs short of something. Thresholds are ``{ signal = amount }``; the
    signals are memory.available, nodefs.available, nodefs.inodesFree, imagefs.available, imagefs.inodesFree and
    pid.available; an amount is a quantity or a percentage, and ``"0%"`` switches a threshold off.
    """

    enabled: bool = True
    """Watch the signals and the pods' own limits of local storage."""
    hard: dict[str, str] = {}
    """Pods are evicted at once. Default: memory.available 100Mi, nodefs.available 10%, nodefs.inodesFree 5%,
    imagefs.available 15%, imagefs.inodesFree 5%, pid.available 1%; what is given here replaces single ones."""
    soft: dict[str, str] = {}
    """Pods are evicted when it has lasted for ``soft_grace_seconds``."""
    soft_grace_seconds: dict[str, int] = {}
    """For every soft threshold, how long it is endured."""
    minimum_reclaim: dict[str, str] = {}
    """How much beyond a threshold must be free again before its eviction ends."""
    max_pod_grace_seconds: int = 0
    """The most that a pod evicted for a soft threshold gets to end."""
    pressure_transition_seconds: int = 300
    """How long the node says that it is under pressure after it was last seen."""
    interval_seconds: int = 10
    """Between two looks."""

    def __post_init__(self) -> None:
        for key in ("hard", "soft", "minimum_reclaim"):
            for signal, amount in getattr(self, key).items():
                _require(signal in SIGNALS, key, f"expected signals of {', '.join(SIGNALS)}, got {signal!r}")
                valid = _QUANTITY.fullmatch(amount) or _PERCENT.fullmatch(amount)
                _require(valid is not None, key, f'expected a quantity or a percentage for {signal}, got "{amount}"')
        missing = self.soft.keys() ^ self.soft_grace_seconds.keys()
        _require(not missing, "soft_grace_seconds", f"expected a grace for each soft threshold: {', '.join(missing)}")
        _require(self.max_pod_grace_seconds >= 0, "max_pod_grace_seconds", "expected 0 or more seconds")
        _require(self.pressure_transition_seconds >= 0, "pressure_transition_seconds", "expected 0 or more seconds")
        _require(self.interval_seconds >= 1, "interval_seconds", "expected 1 second or more")


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
        _require(
            not self.url or re.fullmatch(r"https?://[^/\s]+(/\S*)?", self.url) is not None,
            "url",
            f"expected http://host[:port][/path] or https://..., got {self.url!r}",
        )
        _require(self.interval_seconds >= 1, "interval_seconds", f"expected 1 or more, got {self.interval_seconds}")
        for name, value in self.headers.items():
            _require(
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
        _absolute(self.socket, "socket")
        _require(
            self.event_ttl_seconds > 0, "event_ttl_seconds", f"expected 1 or more, got {self.event_ttl_seconds}"
        )
        _require(0 <= self.mode <= 0o777, "mode", f"expected permission bits such as 0o600, got {oct(self.mode)}")
        _require(
            self.socket is None or len(os.fsencode(self.socket)) <= 107,
            "socket",
            "expected at most 107 bytes: the length of a unix socket's name (unix(7))",
        )


class Config(Section, frozen=True, kw_only=True):
    """The whole file. Made by :func:`pyrt.config.load_config`; frozen."""

    paths: Paths = Paths()
    node: Node = Node()
    network: Network = Network()
    cgroup: Cgroup = Cgroup()
    images: Images = Images()
    logs: Logs = Logs()
    runtime: Runtime = Runtime()
    eviction: Eviction = Eviction()
    static_pods: StaticPods = StaticPods()
    api: Api = Api()

    def __post_init__(self) -> None:
        _require(
            len(os.fsencode(self.api_socket)) <= 107,
            "paths.run",
            f"expected a shorter path: the API socket {self.api_socket} would be longer than 107 bytes",
        )

    @property
    def api_socket(self) -> Path:
        """Where the API listens."""
        return self.api.socket if self.api.socket is not None else self.paths.run / SOCKET_NAME


def decode_scalar(kind: type, value: Any) -> Any:
    """``msgspec`` decoding hook for the types it does not know. Raises ``ValueError``."""
    if kind is Path:
        if not isinstance(value, str) or not value or "\0" in value:
            raise ValueError("expected a path, as a string")
        return Path(value)
    if kind is Bytes:
        return Bytes.parse(value)
    raise NotImplementedError(kind)
