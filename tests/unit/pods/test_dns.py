"""resolv.conf of pods."""

import pytest

from pyrt.kube.meta import ObjectMeta
from pyrt.kube.pod import Pod, PodDNSConfig, PodDNSConfigOption, PodSpec
from pyrt.pods.dns import ClusterDns, parse_resolv_conf, pod_dns, read_resolv_conf
from pyrt.runtime.config import DnsConfig

HOST = DnsConfig(("9.9.9.9",), ("corp.example",), ("rotate",))
CLUSTER = ClusterDns(("10.96.0.10",))


def dns(cluster=CLUSTER, **spec):
    return pod_dns(Pod(metadata=ObjectMeta(name="web", namespace="team", uid="u"), spec=PodSpec(**spec)), HOST, cluster)


def test_cluster_first():
    assert dns().config == DnsConfig(
        ("10.96.0.10",), ("team.svc.cluster.local", "svc.cluster.local", "cluster.local", "corp.example"), ("ndots:5",)
    )


def test_cluster_first_without_a_cluster_falls_back_and_says_so():
    found = dns(ClusterDns())
    assert found.config == HOST
    assert [reason for reason, _ in found.warnings] == ["MissingClusterDNS"]


@pytest.mark.parametrize(
    ("policy", "host_network", "servers"),
    [
        ("Default", False, HOST.servers),
        ("ClusterFirst", True, HOST.servers),
        ("ClusterFirstWithHostNet", True, CLUSTER.servers),
        ("None", False, ()),
    ],
)
def test_policies(policy, host_network, servers):
    assert dns(dns_policy=policy, host_network=host_network).config.servers == servers


def test_dns_config_is_merged():
    extra = PodDNSConfig(
        nameservers=["1.1.1.1", "9.9.9.9"],
        searches=["a.example"],
        options=[PodDNSConfigOption(name="ndots", value="2"), PodDNSConfigOption(name="edns0")],
    )
    assert dns(dns_policy="Default", dns_config=extra).config == DnsConfig(
        ("9.9.9.9", "1.1.1.1"), ("corp.example", "a.example"), ("rotate", "ndots:2", "edns0")
    )
    assert dns(dns_config=extra).config.options == ("ndots:2", "edns0")


def test_limits_are_kept_with_a_warning():
    extra = PodDNSConfig(nameservers=[f"10.0.0.{n}" for n in range(5)], searches=[f"s{n}.example" for n in range(40)])
    found = dns(dns_policy="None", dns_config=extra)
    assert len(found.config.servers) == 3
    assert len(found.config.searches) == 32
    assert [reason for reason, _ in found.warnings] == ["DNSConfigForming"] * 2


def test_long_searches_are_cut_to_2048_characters():
    extra = PodDNSConfig(nameservers=["1.1.1.1"], searches=[f"{n}{'x' * 200}.example" for n in range(20)])
    assert len(" ".join(dns(dns_policy="None", dns_config=extra).config.searches)) <= 2048


def test_resolv_conf_is_read_like_the_resolver_does():
    text = (
        "# c\nnameserver 1.1.1.1\nnameserver ::1\nsearch a b\nsearch c. d\n"
        "options ndots:1 rotate\noptions timeout:1\n;x\n\n"
    )
    assert parse_resolv_conf(text) == DnsConfig(("1.1.1.1", "::1"), ("c", "d"), ("ndots:1", "rotate", "timeout:1"))


def test_the_stub_of_resolved_is_looked_through(tmp_path):
    (tmp_path / "stub").write_text("nameserver 127.0.0.53\n")
    (tmp_path / "real").write_text("nameserver 8.8.8.8\n")
    assert read_resolv_conf(tmp_path / "stub", tmp_path / "real").servers == ("8.8.8.8",)
    assert read_resolv_conf(tmp_path / "stub", tmp_path / "missing").servers == ("127.0.0.53",)
    assert read_resolv_conf(tmp_path / "missing") == DnsConfig()
