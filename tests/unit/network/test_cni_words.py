"""What plugins are told, and how their answers are read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pyrt.network.cni.capabilities import ALIASES, EGRESS, INGRESS, IPS, MAC, Pod, arguments, capabilities
from pyrt.network.cni.conf import parse
from pyrt.network.cni.errors import CniError
from pyrt.network.cni.request import Attachment, Command, collection_request, environment, request
from pyrt.network.cni.result import addresses, parse_error, parse_result, parse_versions, preferred
from pyrt.network.types import HostPort

NET = parse(
    json.dumps(
        {
            "cniVersion": "1.1.0",
            "name": "net",
            "plugins": [
                {"type": "bridge", "bridge": "cni0", "cni.dev/x": 1, "cniVersion": "0.1.0"},
                {"type": "portmap", "snat": True, "capabilities": {"portMappings": True, "dns": False, "mac": True}},
            ],
        }
    ),
    "x",
)
BRIDGE, PORTMAP = NET.plugins
PLACE = Attachment("c1", "/run/netns/x", "eth0", (("A", "b"), ("C", "d")), {"portMappings": [1], "dns": {}})


def test_a_plugin_gets_its_own_configuration_and_the_networks_name_and_version() -> None:
    assert request(NET, BRIDGE, PLACE) == {"type": "bridge", "bridge": "cni0", "name": "net", "cniVersion": "1.1.0"}


def test_a_plugin_gets_the_capabilities_it_declares_and_the_result_so_far() -> None:
    assert request(NET, PORTMAP, PLACE, {"ips": []}) == {
        "type": "portmap",
        "snat": True,
        "name": "net",
        "cniVersion": "1.1.0",
        "runtimeConfig": {"portMappings": [1]},
        "prevResult": {"ips": []},
    }


def test_a_collection_names_what_is_still_valid() -> None:
    valid = [{"containerID": "c1", "ifname": "eth0"}]
    document = collection_request(NET, PORTMAP, [("c1", "eth0")])
    assert document["cni.dev/valid-attachments"] == document["cni.dev/attachments"] == valid
    assert not {"prevResult", "runtimeConfig", "capabilities"} & set(document)


def test_the_environment_is_the_protocols_and_nothing_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    found = environment(Command.ADD, "/a:/b", PLACE)
    assert {key: value for key, value in found.items() if key.startswith("CNI_")} == {
        "CNI_COMMAND": "ADD",
        "CNI_CONTAINERID": "c1",
        "CNI_NETNS": "/run/netns/x",
        "CNI_IFNAME": "eth0",
        "CNI_ARGS": "A=b;C=d",
        "CNI_PATH": "/a:/b",
    }
    assert set(found) - {"PATH", "HOME"} == {key for key in found if key.startswith("CNI_")}
    assert "CNI_CONTAINERID" not in environment(Command.STATUS, "/a")


def pod(**edit: Any) -> Pod:
    return Pod(namespace="default", name="web", uid="u1", **edit)


def test_plugins_hear_whose_network_it_is() -> None:
    assert dict(arguments(pod(), "s1")) == {
        "IgnoreUnknown": "1",
        "K8S_POD_NAMESPACE": "default",
        "K8S_POD_NAME": "web",
        "K8S_POD_INFRA_CONTAINER_ID": "s1",
        "K8S_POD_UID": "u1",
    }
    with pytest.raises(CniError, match=r"pod default/web;IP=1.2.3.4: K8S_POD_NAME: expected neither"):
        arguments(Pod(namespace="default", name="web;IP=1.2.3.4", uid="u"), "s1")


def test_capabilities_are_what_there_is_to_say() -> None:
    assert set(capabilities(pod())) == {"io.kubernetes.cri.pod-annotations"}
    found = capabilities(
        pod(
            annotations={
                INGRESS: "10M",
                EGRESS: "1.5Mi",
                IPS: "10.1.2.3, fd00::3/64",
                MAC: "0a:00:00:00:00:01",
                ALIASES: "db,",
            },
            host_ports=(HostPort("tcp", 8080, 80), HostPort("udp", 53, 53, "127.0.0.1"), HostPort("tcp", 0, 81)),
            dns={"servers": ("10.0.0.10",), "searches": ("a.b",)},
            cgroup="/pods/x",
        )
    )
    assert found["portMappings"] == [
        {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"},
        {"hostPort": 53, "containerPort": 53, "protocol": "udp", "hostIP": "127.0.0.1"},
    ]
    assert found["bandwidth"] == {
        "ingressRate": 10_000_000,
        "ingressBurst": 2**32 - 1,
        "egressRate": 1_572_864,
        "egressBurst": 2**32 - 1,
    }
    assert found["dns"] == {"servers": ["10.0.0.10"], "searches": ["a.b"], "options": []}
    assert found["cgroupPath"] == "/pods/x"
    assert found["ips"] == ["10.1.2.3", "fd00::3/64"]
    assert (found["mac"], found["aliases"]) == ("0a:00:00:00:00:01", ["db"])


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (INGRESS, "fast"),
        (INGRESS, "999"),
        (EGRESS, "2P"),
        (EGRESS, "-1M"),
        (IPS, "10.0.0.300"),
        (MAC, "0a:00"),
    ],
)
def test_a_senseless_annotation_is_an_error(annotation: str, text: str) -> None:
    with pytest.raises(CniError, match=f"^pod default/web: annotation {annotation}: expected"):
        capabilities(pod(annotations={annotation: text}))


RESULT = {
    "interfaces": [{"name": "cni0"}, {"name": "veth1"}, {"name": "eth0", "sandbox": "/x"}],
    "ips": [
        {"address": "10.0.0.1/24", "interface": 0},
        {"address": "fd00::5/64", "interface": 2},
        {"address": "10.0.0.5/24", "interface": 2},
        {"address": "10.0.0.6/24"},
    ],
}


def test_addresses_are_those_on_the_sandboxs_interface() -> None:
    found = addresses(RESULT, "eth0")
    assert found == ["fd00::5", "10.0.0.5", "10.0.0.6"]
    assert preferred(found, "ipv4") == ("10.0.0.5", "fd00::5", "10.0.0.6")
    assert preferred(found, "ipv6") == preferred(found, "cni") == tuple(found)
    assert preferred(["10.0.0.5"], "ipv6") == ("10.0.0.5",)
    assert addresses({"ip4": {"ip": "10.0.0.5/24"}, "ip6": {"ip": "fd00::5/64"}}, "eth0") == ["10.0.0.5", "fd00::5"]
    assert addresses({}, "eth0") == []


def test_a_result_without_a_version_has_the_configurations() -> None:
    assert parse_result(b'{"ips":[]}', NET) == {"ips": [], "cniVersion": "1.1.0"}
    assert parse_result(b'{"cniVersion":"0.4.0"}', NET)["cniVersion"] == "0.4.0"
    assert parse_result(b"null", NET) == {"cniVersion": "1.1.0"}


@pytest.mark.parametrize(
    ("output", "error"),
    [
        (b"", "expected a JSON object, got nothing"),
        (b"ok\n", "expected a JSON object, got ok"),
        (b"[]", r"expected a JSON object, got \[\]"),
        (b"\xff\x00", "expected a JSON object"),
        (b'{"ips":{}}', "ips: expected a list"),
        (b'{"ips":[{"address":"10.0.0.300/24"}]}', "10.0.0.300"),
        (b'{"ips":[{"address":"10.0.0.3/24","interface":0}]}', "ips: there is no interface 0"),
        (b'{"ips":["10.0.0.3"]}', "ips: expected objects"),
        (b'{"ips":[{}]}', "ips: expected addresses"),
        (b'{"interfaces":[{}]}', "interfaces: expected objects with a name"),
    ],
)
def test_rubbish_is_no_result(output: bytes, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        parse_result(output, NET)


@pytest.mark.parametrize(
    ("status", "output", "complaints", "text", "code"),
    [
        (1, b'{"code":7,"msg":"Invalid","details":"too small"}', b"", "Invalid: too small (code 7)", 7),
        (1, b'{"code":11,"msg":"later"}', b"log line\n", "later (code 11); stderr: log line", 11),
        (1, b'{"code":50}', b"", "exit status 1 (code 50)", 50),
        (3, b"rubbish", b"", "exit status 3; it printed rubbish", 0),
        (1, b"", b"no such\nfile", "exit status 1; stderr: no such file", 0),
        (-9, b"", b"", "killed by signal 9, without a word", 0),
        (1, b"{}", b"", "exit status 1; it printed {}", 0),
        (1, b'{"code":"x","msg":"m"}', b"", 'exit status 1; it printed {"code":"x","msg":"m"}', 0),
    ],
)
def test_everything_a_failed_plugin_said_is_told(
    status: int, output: bytes, complaints: bytes, text: str, code: int
) -> None:
    assert parse_error(status, output, complaints) == (text, code)


def test_a_plugins_words_are_bounded_and_printable() -> None:
    text, _ = parse_error(1, b"", b"\x1b[31m" + b"x" * 100_000)
    assert len(text) < 2100
    assert "\x1b" not in text


def test_the_versions_of_a_plugin() -> None:
    assert parse_versions(b'{"cniVersion":"1.0.0","supportedVersions":["0.4.0","1.0.0"]}') == {(0, 4, 0), (1, 0, 0)}
    assert parse_versions(b'{"cniVersion":"0.2.0"}') == {(0, 1, 0), (0, 2, 0)}
    for output in (b"", b"{}", b'{"supportedVersions":[1]}', b'{"supportedVersions":["x"]}'):
        with pytest.raises(ValueError, match="expected"):
            parse_versions(output)
