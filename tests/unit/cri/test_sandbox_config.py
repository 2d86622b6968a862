"""A kubelet's PodSandboxConfig in the runtime's words."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode

from pyrt.cri import runtime_pb2 as cri
from pyrt.cri.errors import CriError
from pyrt.cri.sandbox_config import sandbox_config
from pyrt.launch.context import UserNamespace
from pyrt.network.types import HostPort
from pyrt.runtime.config import DnsConfig, NamespaceMode, Owner, PodMetadata, SandboxConfig

METADATA = {"name": "web", "namespace": "default", "uid": "0b1c", "attempt": 2}
RANGE = [{"container_id": 0, "host_id": 65536, "length": 65536}]


def translated(handler: str = "", **fields: Any) -> SandboxConfig:
    return sandbox_config(cri.PodSandboxConfig(**{"metadata": METADATA, **fields}), handler)


def refused(match: str, handler: str = "", **fields: Any) -> None:
    with pytest.raises(CriError, match=match) as caught:
        translated(handler, **fields)
    assert caught.value.code is StatusCode.INVALID_ARGUMENT


def secured(**context: Any) -> dict[str, Any]:
    return {"linux": {"security_context": context}}


def spaces(**options: Any) -> dict[str, Any]:
    return secured(namespace_options=options)


def test_the_least() -> None:
    config = translated()
    assert config.metadata == PodMetadata("web", "default", "0b1c", 2)
    assert config.owner is Owner.CRI
    assert config.hostname == os.uname().nodename[:64]
    assert (config.dns, config.hosts) == (None, None)  # the host's files
    assert (config.network, config.pid, config.ipc) == (NamespaceMode.POD,) * 3
    assert (config.user_namespace, config.privileged) == (None, False)
    assert config.cgroup_parent == "cri-default_web_0b1c_2"


@pytest.mark.parametrize("name", ["name", "namespace", "uid"])
def test_metadata_is_whole(name: str) -> None:
    refused(f"config.metadata.{name}: expected", metadata={**METADATA, name: ""})


def test_no_metadata() -> None:
    with pytest.raises(CriError, match=r"config\.metadata"):
        sandbox_config(cri.PodSandboxConfig(), "")


def test_handlers() -> None:
    assert translated("pyrt") == translated("")
    refused("there is no runtime handler 'kata'", "kata")


def test_labels_annotations_hostname_and_logs() -> None:
    config = translated(labels={"a": "b"}, annotations={"c": "d"}, hostname="web-0", log_directory="/var/log/pods/x")
    assert (config.labels, config.annotations, config.hostname) == ({"a": "b"}, {"c": "d"}, "web-0")
    assert config.log_directory == Path("/var/log/pods/x")
    refused("config.log_directory: expected an absolute path", log_directory="logs")
    refused("config.hostname", hostname="x" * 65)
    refused("config.hostname", hostname="a\nb")


def test_dns() -> None:
    dns = {"servers": ["10.0.0.10"], "searches": ["svc"], "options": ["ndots:5"]}
    assert translated(dns_config=dns).dns == DnsConfig(("10.0.0.10",), ("svc",), ("ndots:5",))
    assert translated(dns_config={}).dns is None
    refused("config.dns_config.servers", dns_config={"servers": ["1.1.1.1\nnameserver 2.2.2.2"]})


def test_ports() -> None:
    ports = [
        {"protocol": "UDP", "host_port": 53, "container_port": 5353, "host_ip": "127.0.0.1"},
        {"container_port": 80},  # published nowhere
        {"container_port": 80, "host_port": 8080},
    ]
    published = (HostPort("udp", 53, 5353, "127.0.0.1"), HostPort("tcp", 8080, 80, ""))
    assert translated(port_mappings=ports).host_ports == published
    assert translated(port_mappings=ports, **spaces(network="NODE")).host_ports == ()
    refused(r"config.port_mappings\[0\].host_port", port_mappings=[{"container_port": 80, "host_port": 70000}])
    refused(r"config.port_mappings\[0\].container_port", port_mappings=[{"host_port": 80}])


def test_namespaces() -> None:
    config = translated(**spaces(network="NODE", pid="CONTAINER", ipc="NODE"))
    assert (config.network, config.pid, config.ipc) == (
        NamespaceMode.NODE, NamespaceMode.CONTAINER, NamespaceMode.NODE,
    )  # fmt: skip
    refused("namespace_options.network: expected POD or NODE, got CONTAINER", **spaces(network="CONTAINER"))
    refused("namespace_options.pid: .* got TARGET", **spaces(pid="TARGET"))
    refused("namespace_options.ipc: .* got 7", **spaces(ipc=7))
    refused("namespace_options.target_id", **spaces(target_id="x"))


def test_a_user_namespace() -> None:
    options = {"mode": "POD", "uids": RANGE, "gids": RANGE}
    assert translated(**spaces(userns_options=options)).user_namespace == UserNamespace(65536, 65536)
    assert translated(**spaces(userns_options={"mode": "NODE"})).user_namespace is None


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, "expected one mapping, got 0"),
        ({"uids": RANGE * 2, "gids": RANGE * 2}, "expected one mapping, got 2"),
        ({"uids": RANGE, "gids": [{**RANGE[0], "host_id": 131072}]}, "the same mapping for users and groups"),
        ({"uids": [{**RANGE[0], "container_id": 1}], "gids": RANGE}, "container_id: expected 0"),
        ({"uids": [{**RANGE[0], "host_id": 0}], "gids": RANGE}, "0 is the host's root"),
        ({"uids": [{**RANGE[0], "length": 0}], "gids": RANGE}, "are not all there"),
        ({"uids": [{**RANGE[0], "host_id": 0xFFFFFFF0}], "gids": RANGE}, "are not all there"),
        ({"mode": "CONTAINER"}, "expected POD or NODE"),
        ({"mode": "TARGET"}, "expected POD or NODE"),
        ({"mode": "NODE", "uids": RANGE}, "mappings are for mode POD only"),
    ],
)
def test_mappings_that_no_kubelet_asks_for(options: dict[str, Any], problem: str) -> None:
    refused(problem, **spaces(userns_options=options))


@pytest.mark.parametrize(
    ("asked", "parent"),
    [
        ("/kubepods/burstable/pod0b1c", "/kubepods/burstable/pod0b1c"),
        ("kubepods/pod0b1c/", "/kubepods/pod0b1c"),
        ("/kubepods//podx/.", "/kubepods/podx"),
        ("/", "cri-default_web_0b1c_2"),
    ],
)
def test_cgroup_parents(asked: str, parent: str) -> None:
    assert translated(linux={"cgroup_parent": asked}).cgroup_parent == parent


def test_cgroup_parents_that_are_refused() -> None:
    refused("is a systemd slice", linux={"cgroup_parent": "kubepods-burstable.slice"})
    refused("expected the path of a cgroup", linux={"cgroup_parent": "/kubepods/../../etc"})
    refused("expected the path of a cgroup", linux={"cgroup_parent": "/a b"})


def test_a_uid_that_is_no_name_is_no_path() -> None:
    parent = translated(metadata={**METADATA, "uid": "../../x"}).cgroup_parent
    assert parent.startswith("cri-")
    assert "/" not in parent


def test_sysctls_and_privilege() -> None:
    config = translated(linux={"sysctls": {"net.core.somaxconn": "1"}, "security_context": {"privileged": True}})
    assert (config.sysctls, config.privileged) == ({"net.core.somaxconn": "1"}, True)


def test_windows() -> None:
    refused("config.windows: this is Linux", windows={})
