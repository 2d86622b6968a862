"""What a kubelet is told of CPU, memory, disk and network, held against what the container did."""

import grpc
import pytest

from pyrt.cri import runtime_pb2 as cri
from tests.integration.cri.conftest import FOREVER

SPIN = ("sh", "-c", "trap 'exit 0' TERM; while :; do :; done")


def stats_of(client, container):
    return client.ContainerStats(container_id=container).stats


@pytest.mark.core
def test_a_container_that_works(node, client, pod):
    resources = cri.LinuxContainerResources(memory_limit_in_bytes=64 << 20, cpu_period=100000, cpu_quota=50000)
    linux = cri.LinuxContainerConfig(resources=resources)
    container = pod.start("app", *SPIN, linux=linux, labels={"a": "b"}, annotations={"c": "d"})
    node.until(lambda: stats_of(client, container).cpu.usage_core_nano_seconds.value > 200_000_000)
    # The kernel adds a cgroup's memory up every two seconds.
    stats = node.until(
        lambda: (
            (found := stats_of(client, container)).cpu.HasField("usage_nano_cores")
            and found.memory.rss_bytes.value > 0
            and found.memory.page_faults.value > 0
            and found
        )
    )
    assert stats.attributes.id == container
    assert stats.attributes.metadata.name == "app"
    assert (dict(stats.attributes.labels), dict(stats.attributes.annotations)) == ({"a": "b"}, {"c": "d"})
    assert stats.cpu.timestamp > 1_700_000_000 * 10**9
    assert 0 < stats.cpu.usage_nano_cores.value < 4 * 10**9
    memory = stats.memory
    assert 0 < memory.working_set_bytes.value <= memory.usage_bytes.value < 64 << 20
    assert memory.available_bytes.value == (64 << 20) - memory.working_set_bytes.value
    assert memory.HasField("major_page_faults")
    assert stats.swap.HasField("swap_usage_bytes")


def test_cpu_time_only_grows(node, client, pod):
    container = pod.start("app", *SPIN)
    first = stats_of(client, container).cpu
    node.until(
        lambda: stats_of(client, container).cpu.usage_core_nano_seconds.value > first.usage_core_nano_seconds.value
    )


def test_the_writable_layer(node, client, pod):
    container = pod.start("app", "sh", "-c", "dd if=/dev/zero of=/eaten bs=1M count=8; touch /a /b; sleep 1000")
    node.until(lambda: client.ExecSync(container_id=container, cmd=["test", "-e", "/b"]).exit_code == 0)
    layer = stats_of(client, container).writable_layer
    assert layer.used_bytes.value >= 8 << 20
    assert layer.inodes_used.value >= 3
    [images] = client.ImageFsInfo().image_filesystems
    assert layer.fs_id == images.fs_id


def test_one_that_does_not_run_has_a_layer_only(client, pod):
    made = pod.create("made")
    done = pod.start("done", "true")
    pod.exited(done)
    for container in (made, done):
        stats = stats_of(client, container)
        assert stats.attributes.id == container
        assert stats.HasField("writable_layer")
        assert not stats.HasField("cpu")
        assert not stats.HasField("memory")


def test_filters(node, client, pod):
    mine = pod.start("a", labels={"foo": "bar"})
    other = node.pod().start("b")

    def listed(**fields):
        return {one.attributes.id for one in client.ListContainerStats(filter=cri.ContainerStatsFilter(**fields)).stats}

    assert {one.attributes.id for one in client.ListContainerStats().stats} == {mine, other}
    assert listed(id=mine) == {mine}
    assert listed(id=mine[:12]) == {mine}
    assert listed(pod_sandbox_id=pod.id) == {mine}
    assert listed(label_selector={"foo": "bar"}) == {mine}
    assert listed(label_selector={"foo": "baz"}) == set()
    assert listed(id=other, pod_sandbox_id=pod.id) == set()
    streamed = [one for part in client.StreamContainerStats() for one in part.container_stats]
    assert {one.attributes.id for one in streamed} == {mine, other}


def test_unknown_ids(client):
    assert client.refused("ContainerStats", container_id="a" * 64)[0] is grpc.StatusCode.NOT_FOUND
    assert client.refused("PodSandboxStats", pod_sandbox_id="a" * 64)[0] is grpc.StatusCode.NOT_FOUND


@pytest.mark.core
def test_a_sandbox_with_its_containers(node, client):
    pod = node.pod(labels={"x": "y"})
    containers = {pod.start("one", *SPIN), pod.start("two")}
    pod.exited(pod.start("three", "true"))
    stats = client.PodSandboxStats(pod_sandbox_id=pod.id).stats
    assert stats.attributes.id == pod.id
    assert stats.attributes.metadata.name == pod.name
    assert dict(stats.attributes.labels) == {"x": "y"}
    linux = stats.linux
    assert {one.attributes.id for one in linux.containers} == containers
    assert linux.memory.usage_bytes.value >= max(one.memory.usage_bytes.value for one in linux.containers) > 0
    node.until(
        lambda: client.PodSandboxStats(pod_sandbox_id=pod.id).stats.linux.cpu.usage_core_nano_seconds.value > 50_000_000
    )
    assert linux.process.process_count.value >= 2
    assert linux.network.default_interface.name == "eth0"
    assert [one.name for one in linux.network.interfaces] == ["eth0"]
    assert linux.network.default_interface.HasField("rx_bytes")
    node.until(lambda: client.PodSandboxStats(pod_sandbox_id=pod.id).stats.linux.cpu.HasField("usage_nano_cores"))


def test_traffic_is_counted(node, client):
    pod = node.pod()
    container = pod.start("app")
    address = pod.status().network.ip

    def sent():
        return client.PodSandboxStats(pod_sandbox_id=pod.id).stats.linux.network.default_interface.tx_bytes.value

    before = sent()
    gateway = address.rsplit(".", 1)[0] + ".1"
    script = f"for i in 1 2 3; do printf x | nc -w 1 {gateway} 9 || true; done"
    client.ExecSync(container_id=container, cmd=["sh", "-c", script])
    assert sent() > before


def test_sandboxes_on_the_hosts_network_have_none_of_their_own(node, client):
    options = cri.NamespaceOption(network=cri.NODE, pid=cri.CONTAINER, ipc=cri.POD)
    security = cri.LinuxSandboxSecurityContext(namespace_options=options)
    pod = node.pod(linux=cri.LinuxPodSandboxConfig(security_context=security))
    assert not client.PodSandboxStats(pod_sandbox_id=pod.id).stats.linux.HasField("network")


def test_lists_of_sandboxes(node, client):
    pod, stopped = node.pod(labels={"app": "web"}), node.pod()
    client.StopPodSandbox(pod_sandbox_id=stopped.id)

    def listed(**fields):
        found = client.ListPodSandboxStats(filter=cri.PodSandboxStatsFilter(**fields)).stats
        return {one.attributes.id for one in found}

    assert {one.attributes.id for one in client.ListPodSandboxStats().stats} == {pod.id}
    assert listed(id=pod.id) == listed(id=pod.id[:10]) == listed(label_selector={"app": "web"}) == {pod.id}
    assert listed(id=stopped.id) == listed(label_selector={"app": "db"}) == set()
    streamed = [one.attributes.id for part in client.StreamPodSandboxStats() for one in part.pod_sandbox_stats]
    assert streamed == [pod.id]
    code, message = client.refused("PodSandboxStats", pod_sandbox_id=stopped.id)
    assert code is grpc.StatusCode.UNAVAILABLE
    assert "not ready" in message


def test_the_operators_pods_are_not_seen(node, client):
    node.create(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "theirs"},
            "spec": {"containers": [{"name": "app", "image": "busybox:1.36", "command": list(FOREVER)}]},
        }
    )
    node.running("theirs")
    assert not client.ListContainerStats().stats
    assert not client.ListPodSandboxStats().stats
    assert not client.ListPodSandboxMetrics().pod_metrics


@pytest.mark.core
def test_metrics(node, client, pod):
    resources = cri.LinuxContainerResources(
        cpu_period=100000, cpu_quota=20000, cpu_shares=512, memory_limit_in_bytes=64 << 20
    )
    image = cri.ImageSpec(image="busybox:1.36", user_specified_image="busybox:mine")
    container = pod.start(
        "app", "sh", "-c", "sleep 1000 & sleep 1000", linux=cri.LinuxContainerConfig(resources=resources), image=image
    )

    def values():
        [found] = client.ListPodSandboxMetrics().pod_metrics
        return {one.name: one.value.value for one in found.container_metrics[0].metrics}

    node.until(lambda: values()["container_processes"] == 2)
    described = {one.name: one for one in client.ListMetricDescriptors().descriptors}
    assert all(one.help and one.label_keys for one in described.values())
    [found] = client.ListPodSandboxMetrics().pod_metrics
    [own] = found.container_metrics
    assert (found.pod_sandbox_id, own.container_id) == (pod.id, container)
    every = [*found.metrics, *own.metrics]
    assert all(len(one.label_values) == len(described[one.name].label_keys) for one in every)
    value = {one.name: one.value.value for one in own.metrics}
    assert value["container_memory_usage_bytes"] >= value["container_memory_working_set_bytes"] > 0
    assert value["container_processes"] == value["container_threads"] == 2
    assert value["container_file_descriptors"] >= 3
    assert value["container_start_time_seconds"] > 1_700_000_000
    assert value["container_spec_cpu_quota"] == 20000
    assert value["container_spec_cpu_shares"] == 512
    assert value["container_spec_memory_limit_bytes"] == 64 << 20
    assert value["container_fs_inodes_total"] >= value["container_fs_inodes_free"]
    assert value["container_fs_limit_bytes"] > 0
    [usage] = [one for one in own.metrics if one.name == "container_memory_usage_bytes"]
    assert list(usage.label_values) == [pod.name, "default", "app", container, "busybox:mine"]
    [received] = [one for one in found.metrics if one.name == "container_network_receive_bytes_total"]
    assert list(received.label_values) == [pod.name, "default", "", pod.id, "", "eth0"]
    streamed = [one.pod_sandbox_id for part in client.StreamPodSandboxMetrics() for one in part.pod_sandbox_metrics]
    assert streamed == [pod.id]


EXPECTED = """
container_cpu_cfs_periods_total container_cpu_cfs_throttled_periods_total container_cpu_cfs_throttled_seconds_total
container_cpu_system_seconds_total container_cpu_usage_seconds_total container_cpu_user_seconds_total
container_file_descriptors container_fs_inodes_free container_fs_inodes_total container_fs_limit_bytes
container_fs_usage_bytes container_hugetlb_max_usage_bytes container_hugetlb_usage_bytes container_last_seen
container_memory_cache container_memory_failcnt container_memory_failures_total container_memory_kernel_usage
container_memory_mapped_file container_memory_max_usage_bytes container_memory_rss container_memory_swap
container_memory_usage_bytes container_memory_working_set_bytes container_network_receive_bytes_total
container_network_receive_errors_total container_network_receive_packets_dropped_total
container_network_receive_packets_total container_network_transmit_bytes_total container_network_transmit_errors_total
container_network_transmit_packets_dropped_total container_network_transmit_packets_total container_oom_events_total
container_processes container_sockets container_spec_cpu_period container_spec_cpu_quota container_spec_cpu_shares
container_spec_memory_limit_bytes container_spec_memory_reservation_limit_bytes
container_spec_memory_swap_limit_bytes container_start_time_seconds container_threads container_threads_max
container_ulimits_soft
""".split()
"""What kubelets served before as cAdvisor's own, less what needs a block device or PSI."""


def test_every_metric_of_cadvisors_has_a_value(client, pod):
    resources = cri.LinuxContainerResources(cpu_period=100000, cpu_quota=20000, memory_limit_in_bytes=64 << 20)
    pod.start("app", linux=cri.LinuxContainerConfig(resources=resources))
    [found] = client.ListPodSandboxMetrics().pod_metrics
    names = {one.name for one in (*found.metrics, *found.container_metrics[0].metrics)}
    assert [name for name in EXPECTED if name not in names] == []
