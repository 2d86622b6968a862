"""``[cni]``: sandboxes whose network is set up by CNI plugins."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from pyrt.config.section import Section, absolute, require


class Cni(Section, frozen=True, kw_only=True):
    """``[cni]``: networks that CNI plugins set up, for the sandboxes of a kubelet."""

    mode: Literal["auto", "always", "never"] = "auto"
    """auto: plugins while ``conf_dir`` has a configuration, else pyrt's own network. always: no network, no pod. never:
    pyrt's own network."""
    conf_dir: Path = Path("/etc/cni/net.d")
    """The first file by name counts: ``*.conflist``, ``*.conf``, ``*.json``. Looked at anew for every sandbox."""
    bin_dirs: list[Path] = msgspec.field(default_factory=lambda: [Path("/opt/cni/bin"), Path("/usr/lib/cni")])
    """Where plugins are, the first that has one wins."""
    max_conf_num: int = 1
    """How many files count: the second gives pods an eth1, and so on. 0: all."""
    conf_template: Path | None = None
    """A Go template from which ``10-pyrt.conflist`` in conf_dir is written when the kubelet tells the pod CIDR and
    there is no configuration."""
    ip_preference: Literal["ipv4", "ipv6", "cni"] = "ipv4"
    """Which of a pod's addresses is its first. cni: the order in which the plugins named them."""
    plugin_timeout_seconds: int = 60
    """A plugin that takes longer is killed; 1 or more."""
    netns_dir: Path = Path("/run/netns")
    """Network namespaces are kept here for plugins, one file a sandbox, until they have been taken down."""
    own_pods: bool = False
    """Also for the pods of pyrt's own API and static pods."""

    def __post_init__(self) -> None:
        absolute(self.conf_dir, "conf_dir")
        absolute(self.conf_template, "conf_template")
        absolute(self.netns_dir, "netns_dir")
        require(bool(self.bin_dirs), "bin_dirs", "expected at least one directory")
        for directory in self.bin_dirs:
            absolute(directory, "bin_dirs")
            # CNI_PATH is a list separated by colons (SPEC, Parameters).
            require(":" not in str(directory), "bin_dirs", f"expected a path without ':', got {str(directory)!r}")
        require(self.max_conf_num >= 0, "max_conf_num", f"expected 0 or more, got {self.max_conf_num}")
        require(
            self.plugin_timeout_seconds >= 1,
            "plugin_timeout_seconds",
            f"expected 1 or more, got {self.plugin_timeout_seconds}",
        )
