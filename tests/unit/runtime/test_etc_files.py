"""The three files of a sandbox."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pyrt.runtime.config import DnsConfig, NamespaceMode, PodMetadata, SandboxConfig
from pyrt.runtime.etc_files import hostname_text, hosts_text, resolv_text

BASE = SandboxConfig(
    metadata=PodMetadata("web", "default", "uid"),
    hostname="web",
    log_directory=Path("/log"),
    hosts="127.0.0.1\tlocalhost\n",
)


def test_hosts_ends_with_the_pods_lines() -> None:
    assert hosts_text(BASE, ("10.0.0.2", "fd00::2"), "") == "127.0.0.1\tlocalhost\n10.0.0.2\tweb\nfd00::2\tweb\n"


def test_hosts_names_the_fqdn_first() -> None:
    config = replace(BASE, fqdn="web.sub.ns.svc.cluster.local")
    assert hosts_text(config, ("10.0.0.2",), "").endswith("10.0.0.2\tweb.sub.ns.svc.cluster.local\tweb\n")


def test_the_pods_lines_stand_before_the_aliases() -> None:
    config = replace(BASE, hosts="127.0.0.1\tlocalhost\n\n# Entries added by HostAliases.\n1.2.3.4\tdb\n")
    assert hosts_text(config, ("10.0.0.2",), "") == (
        "127.0.0.1\tlocalhost\n10.0.0.2\tweb\n\n# Entries added by HostAliases.\n1.2.3.4\tdb\n"
    )


def test_the_hosts_own_file() -> None:
    assert hosts_text(replace(BASE, hosts=None), (), "whole file") == "whole file"


def test_a_text_without_a_last_newline() -> None:
    assert hosts_text(replace(BASE, hosts="a\tb"), ("1.1.1.1",), "") == "a\tb\n1.1.1.1\tweb\n"


@pytest.mark.parametrize(
    ("dns", "expected"),
    [
        (None, "host's\n"),
        (DnsConfig(), ""),
        (DnsConfig(("1.1.1.1",)), "nameserver 1.1.1.1\n"),
        (DnsConfig((), ("a", "b"), ("ndots:5",)), "search a b\noptions ndots:5\n"),
    ],
)
def test_resolv_conf(dns: DnsConfig | None, expected: str) -> None:
    assert resolv_text(dns, "host's\n") == expected


def test_hostname() -> None:
    assert hostname_text(BASE, "node") == "web\n"
    assert hostname_text(replace(BASE, network=NamespaceMode.NODE), "node") == "node\n"
