"""``[images]``: pulling, keeping and collecting."""

from __future__ import annotations

import re
from pathlib import Path

from pyrt.config.section import Bytes, Section, absolute, require

_REGISTRY = re.compile(r"[A-Za-z0-9.\-]+(:[0-9]+)?|\[[0-9a-fA-F:]+\](:[0-9]+)?")


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
        require(bool(self.url) != (self.layout is not None), "url", "expected exactly one of url and layout")
        require(
            not self.url or re.fullmatch(r"https?://[^/\s]+(/\S*)?", self.url) is not None,
            "url",
            f"expected http://host[:port][/path] or https://..., got {self.url!r}",
        )
        absolute(self.layout, "layout")
        absolute(self.ca_file, "ca_file")


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
        absolute(self.ca_file, "ca_file")
        absolute(self.password_file, "password_file")
        require(
            bool(self.username) == (self.password_file is not None),
            "username",
            "expected username and password_file together",
        )


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
    pinned: list[str] = []
    """Names of images that are never collected, as the user writes them (``registry.k8s.io/pause:3.10``); ``*`` and
    ``?`` stand for what they do in a shell. Kubelets are told, and keep them too."""

    def __post_init__(self) -> None:
        require(
            0 <= self.gc_low_percent <= self.gc_high_percent <= 100,
            "gc_high_percent",
            f"expected gc_low_percent <= gc_high_percent <= 100, got {self.gc_low_percent} and {self.gc_high_percent}",
        )
        require(self.gc_min_age_seconds >= 0, "gc_min_age_seconds", "expected 0 or more seconds")
        require(self.max_layer_entries > 0, "max_layer_entries", "expected more than 0")
        require(
            1 <= self.parallel_downloads <= 32, "parallel_downloads", f"expected 1 to 32, got {self.parallel_downloads}"
        )
        require(self.pull_timeout_seconds > 0, "pull_timeout_seconds", "expected more than 0 seconds")
        require(self.stall_timeout_seconds > 0, "stall_timeout_seconds", "expected more than 0 seconds")
        absolute(self.auth_file, "auth_file")
        require(all(self.pinned), "pinned", "expected names of images, got an empty one")
        for key, hosts in (
            ("mirrors", self.mirrors),
            ("registries", self.registries),
            ("insecure_registries", self.insecure_registries),
        ):
            for host in hosts:
                require(_REGISTRY.fullmatch(host) is not None, key, f"expected registry hosts, got {host!r}")

    def insecure(self, host: str) -> bool:
        """Whether ``host`` may be talked to without a valid certificate."""
        settings = self.registries.get(host)
        return host in self.insecure_registries or (settings is not None and settings.insecure)
