"""From a Pod to what the runtime is asked."""

from pathlib import Path

import pytest

from pyrt.ids import Digest, ImageId
from pyrt.images.types import Image, ImageConfig
from pyrt.kube import decode
from pyrt.kube.defaults import set_pod_defaults
from pyrt.kube.pod import Pod
from pyrt.network.types import HostPort
from pyrt.pods.dns import ClusterDns
from pyrt.pods.errors import ContainerConfigError
from pyrt.pods.facts import NodeFacts
from pyrt.pods.model import BackOff
from pyrt.pods.translate import container_config, sandbox_config
from pyrt.pods.volume_set import plan_volumes
from pyrt.runtime.config import DnsConfig, NamespaceMode, Propagation, Seccomp, TmpfsMount

FACTS = NodeFacts(
    name="node1",
    addresses=("192.0.2.1",),
    cluster=ClusterDns(("10.96.0.10",)),
    host_dns=DnsConfig(("9.9.9.9",)),
    host_hosts="127.0.0.1 localhost\n",
    logs=Path("/logs"),
    pods=Path("/pods"),
    seccomp_root=Path("/seccomp"),
    memory_capacity=1000 << 20,
)
IMAGE = Image(ImageId("sha256:1"), Digest("sha256:2"), ("docker.io/library/x:1",), (), 1, ImageConfig(), ())


def make(container=None, **spec):
    plain = {
        "metadata": {"name": "web", "namespace": "ns", "uid": "u1", "labels": {"a": "b"}},
        "spec": {"containers": [{"name": "app", "image": "x:1", **(container or {})}], **spec},
    }
    pod = decode.from_object(plain, Pod)
    set_pod_defaults(pod)
    return pod


def sandbox(**spec):
    pod = make(**spec)
    return sandbox_config(pod, FACTS, attempt=2, accepted_at=5, volumes=plan_volumes(pod, FACTS))


def container(container=None, addresses=(), **spec):
    pod = make(container, **spec)
    return container_config(
        pod,
        pod.spec.containers[0],
        FACTS,
        attempt=3,
        image=IMAGE,
        volumes=plan_volumes(pod, FACTS),
        addresses=addresses,
        back_off=BackOff("key", 10),
    )


# --- the sandbox ------------------------------------------------------------------------------------------------


def test_who_it_is():
    config = sandbox()
    assert (config.metadata.name, config.metadata.namespace, config.metadata.uid, config.metadata.attempt) == (
        "web",
        "ns",
        "u1",
        2,
    )
    assert config.hostname == "web"
    assert config.log_directory == Path("/logs/ns_web_u1")
    assert config.dns is not None
    assert config.dns.servers == ("10.96.0.10",)


def test_namespaces_of_its_own_by_default():
    config = sandbox()
    assert (config.network, config.pid, config.ipc) == (
        NamespaceMode.POD,
        NamespaceMode.CONTAINER,
        NamespaceMode.POD,
    )


@pytest.mark.parametrize(
    ("field", "attribute", "mode"),
    [
        ("hostNetwork", "network", NamespaceMode.NODE),
        ("hostPID", "pid", NamespaceMode.NODE),
        ("hostIPC", "ipc", NamespaceMode.NODE),
        ("shareProcessNamespace", "pid", NamespaceMode.POD),
    ],
)
def test_shared_namespaces(field, attribute, mode):
    assert getattr(sandbox(**{field: True}), attribute) is mode


def test_the_host_network_has_the_hosts_names():
    config = sandbox(hostNetwork=True)
    assert config.hostname == "node1"
    assert config.hosts == "# Kubernetes-managed hosts file (host network).\n127.0.0.1 localhost\n"
    assert config.host_ports == ()


def test_host_ports():
    ports = [
        {"containerPort": 80, "hostPort": 8080},
        {"containerPort": 53, "hostPort": 53, "protocol": "UDP", "hostIP": "::1"},
    ]
    containers = [{"name": "app", "image": "x:1", "ports": [*ports, {"containerPort": 1}]}]
    assert sandbox(containers=containers).host_ports == (HostPort("tcp", 8080, 80), HostPort("udp", 53, 53, "::1"))


@pytest.mark.parametrize(
    ("resources", "parent"),
    [
        ({}, "besteffort/podu1"),
        ({"requests": {"cpu": "1"}}, "burstable/podu1"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "podu1"),
    ],
)
def test_the_cgroup_follows_the_class(resources, parent):
    containers = [{"name": "app", "image": "x:1", "resources": resources}]
    assert sandbox(containers=containers).cgroup_parent == parent


def test_sysctls_and_memory_volumes():
    config = sandbox(
        securityContext={"sysctls": [{"name": "net.ipv4.tcp_syncookies", "value": "0"}]},
        volumes=[{"name": "m", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}, {"name": "d", "emptyDir": {}}],
    )
    assert config.sysctls == {"net.ipv4.tcp_syncookies": "0"}
    assert config.tmpfs_mounts == (TmpfsMount(Path("/pods/u1/volumes/m"), 1 << 20, 0o777),)


# --- containers ------------------------------------------------------------------------------------------------


def test_names_and_places():
    config = container()
    assert (config.name, config.attempt, config.image_ref) == ("app", 3, "x:1")
    assert config.log_path == Path("app/3.log")
    assert BackOff.decode(config.annotations["pyrt.dev/back-off"]) == BackOff("key", 10)


def test_the_termination_message_is_a_file_of_its_own():
    (mount,) = container().mounts
    assert (mount.container_path, mount.host_path) == (
        "/dev/termination-log",
        Path("/pods/u1/app.3.message"),
    )


def test_variables_are_expanded_in_order():
    config = container(
        {
            "env": [
                {"name": "A", "value": "1"},
                {"name": "B", "value": "$(A)$(C)"},
                {"name": "C", "value": "$$(A)"},
                {"name": "A", "value": "2"},
            ],
            "command": ["run", "$(A)", "$(NONE)"],
            "args": ["$(B)"],
        }
    )
    assert config.env == (("A", "2"), ("B", "1$(C)"), ("C", "$(A)"))
    assert config.command == ("run", "2", "$(NONE)")
    assert config.args == ("1$(C)",)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "web"),
        ("metadata.uid", "u1"),
        ("metadata.labels['a']", "b"),
        ("metadata.labels['none']", ""),
        ("status.podIP", "10.0.0.5"),
        ("status.podIPs", "10.0.0.5,fd00::5"),
        ("status.hostIP", "192.0.2.1"),
    ],
)
def test_facts_about_the_pod(path, value):
    env = [{"name": "X", "valueFrom": {"fieldRef": {"fieldPath": path}}}]
    assert container({"env": env}, addresses=("10.0.0.5", "fd00::5")).env == (("X", value),)


def test_a_fact_that_does_not_exist():
    env = [{"name": "X", "valueFrom": {"fieldRef": {"fieldPath": "spec.nothing"}}}]
    with pytest.raises(ContainerConfigError, match=r"env X: fieldRef: unsupported fieldPath: spec\.nothing"):
        container({"env": env})


def test_mounts():
    mounts = [
        {"name": "d", "mountPath": "/d", "readOnly": True, "subPath": "a/b"},
        {"name": "h", "mountPath": "relative", "mountPropagation": "HostToContainer"},
    ]
    volumes = [{"name": "d", "emptyDir": {}}, {"name": "h", "hostPath": {"path": "/srv"}}]
    first, second, _ = container({"volumeMounts": mounts}, volumes=volumes).mounts
    assert (first.container_path, first.host_path, first.readonly, first.sub_path, first.description) == (
        "/d",
        Path("/pods/u1/volumes/d"),
        True,
        "a/b",
        "emptyDir d",
    )
    assert (second.container_path, second.host_path, second.propagation) == (
        "/relative",
        Path("/srv"),
        Propagation.HOST_TO_CONTAINER,
    )


@pytest.mark.parametrize("expression", ["../x", "/x", "a/../../b"])
def test_a_sub_path_may_not_leave_its_volume(expression):
    mounts = [{"name": "d", "mountPath": "/d", "subPathExpr": "$(P)"}]
    with pytest.raises(ContainerConfigError, match=r"must not (contain '\.\.'|be an absolute path)"):
        container(
            {"volumeMounts": mounts, "env": [{"name": "P", "value": expression}]},
            volumes=[{"name": "d", "emptyDir": {}}],
        )


@pytest.mark.parametrize("env", [[], [{"name": "P", "value": ""}]])
def test_a_sub_path_of_a_variable_that_is_not_there(env):
    mounts = [{"name": "d", "mountPath": "/d", "subPathExpr": "a/$(P)/$(Q)"}]
    with pytest.raises(ContainerConfigError, match="missing value for P, Q"):
        container({"volumeMounts": mounts, "env": env}, volumes=[{"name": "d", "emptyDir": {}}])


# --- security ------------------------------------------------------------------------------------------------


def test_the_containers_word_wins_over_the_pods():
    security = container(
        {"securityContext": {"runAsUser": 7, "seccompProfile": {"type": "Localhost", "localhostProfile": "p.json"}}},
        securityContext={
            "runAsUser": 1,
            "runAsGroup": 2,
            "runAsNonRoot": True,
            "supplementalGroups": [3, 4],
            "fsGroup": 3,
            "seccompProfile": {"type": "Unconfined"},
        },
    ).security
    assert (security.run_as_user, security.run_as_group, security.run_as_non_root) == (7, 2, True)
    assert security.supplemental_groups == (3, 4)
    assert security.seccomp == Seccomp("Localhost", Path("/seccomp/p.json"))


def test_the_default_is_confined():
    security = container().security
    assert security.seccomp == Seccomp("RuntimeDefault")
    assert not security.privileged
    assert security.oom_score_adj == 1000


def test_capabilities_and_escalation():
    context = {
        "capabilities": {"add": ["CAP_NET_ADMIN", "sys_time"], "drop": ["ALL"]},
        "allowPrivilegeEscalation": False,
    }
    security = container({"securityContext": context}).security
    assert (security.add_capabilities, security.drop_capabilities) == (("NET_ADMIN", "SYS_TIME"), ("ALL",))
    assert security.no_new_privileges


def test_privileged_has_no_filter():
    assert container({"securityContext": {"privileged": True}}).security.seccomp == Seccomp("Unconfined")


# --- resources ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resources", "shares", "quota", "memory", "oom"),
    [
        ({}, 2, None, None, 1000),
        ({"requests": {"cpu": "500m"}}, 512, None, None, 999),
        ({"limits": {"cpu": "250m"}}, 256, 25_000, None, 999),
        ({"limits": {"cpu": "1m"}}, 2, 1000, None, 999),
        ({"limits": {"memory": "100Mi"}, "requests": {"memory": "500Mi"}}, 2, None, 100 << 20, 500),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, 1024, 100_000, 1 << 30, -997),
        ({"requests": {"memory": "10Gi"}}, 2, None, None, 3),
    ],
)
def test_figures(resources, shares, quota, memory, oom):
    config = container({"resources": resources})
    found = config.resources
    assert (found.cpu_shares, found.cpu_quota, found.memory_limit) == (shares, quota, memory)
    assert found.memory_swap_limit == memory
    assert config.security.oom_score_adj == oom


def test_the_pod_is_limited_only_if_every_container_is():
    def two(second):
        limited = {"name": "a", "image": "x:1", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}
        return sandbox(containers=[limited, {"name": "b", "image": "x:1", "resources": second}]).resources

    assert two({}).memory_limit is None
    both = two({"limits": {"cpu": "500m", "memory": "1Gi"}})
    assert (both.cpu_shares, both.cpu_quota, both.memory_limit) == (1536, 150_000, 2 << 30)


def test_init_containers_count_at_their_peak():
    def with_cpu(name, cpu, **more):
        return {"name": name, "image": "x:1", "resources": {"requests": {"cpu": cpu}}, **more}

    config = sandbox(
        containers=[with_cpu("a", "1")],
        initContainers=[with_cpu("i", "3"), with_cpu("side", "1", restartPolicy="Always"), with_cpu("j", "2500m")],
    )
    assert config.resources.cpu_shares == 3584
