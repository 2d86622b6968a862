"""/etc/hosts and hostnames of pods."""

import pytest

from pyrt.kube.meta import ObjectMeta
from pyrt.kube.pod import HostAlias, Pod, PodSpec
from pyrt.pods.hosts import host_network_hosts, hostname_of, pod_hosts


def names(name="web", **spec):
    return hostname_of(
        Pod(metadata=ObjectMeta(name=name, namespace="ns"), spec=PodSpec(**spec)), "node1", "cluster.local"
    )


def test_the_file_of_a_pod():
    assert pod_hosts([HostAlias(ip="10.1.2.3", hostnames=["a", "b"])]) == (
        "# Kubernetes-managed hosts file.\n"
        "127.0.0.1\tlocalhost\n"
        "::1\tlocalhost ip6-localhost ip6-loopback\n"
        "fe00::0\tip6-localnet\n"
        "fe00::0\tip6-mcastprefix\n"
        "fe00::1\tip6-allnodes\n"
        "fe00::2\tip6-allrouters\n"
        "\n# Entries added by HostAliases.\n"
        "10.1.2.3\ta\tb\n"
    )


def test_the_file_in_the_host_network():
    assert host_network_hosts("127.0.0.1 localhost\n", []) == (
        "# Kubernetes-managed hosts file (host network).\n127.0.0.1 localhost\n"
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, ("web", "")),
        ({"hostname": "box"}, ("box", "")),
        ({"host_network": True}, ("node1", "")),
        ({"subdomain": "sub"}, ("web", "web.sub.ns.svc.cluster.local")),
        ({"subdomain": "sub", "set_hostname_as_fqdn": True}, ("web.sub.ns.svc.cluster.local",) * 2),
        ({"name": "x" * 62 + "-y"}, ("x" * 62, "")),
        ({"name": "x" * 62 + ".y"}, ("x" * 62, "")),
        ({"hostname_override": "any.name"}, ("any.name", "")),
    ],
)
def test_hostnames(arguments, expected):
    assert names(**arguments) == expected


def test_a_qualified_name_too_long_for_the_kernel():
    with pytest.raises(ValueError, match="64 characters is the max"):
        names(name="x" * 40, subdomain="s" * 10, set_hostname_as_fqdn=True)
