"""What there is only so much of: addresses, host ports, processes, log space. One clear error, and recovery."""

from __future__ import annotations

import socket

import msgspec

from rootfs.registry import free_port

from .conftest import FOREVER


def configure(config):
    """Five addresses, forty processes, 192 KiB of log."""
    base, _, _ = config.network.ipv4_cidr.partition("/")
    replace = msgspec.structs.replace
    return replace(
        config,
        network=replace(config.network, ipv4_cidr=f"{base}/29"),
        runtime=replace(config.runtime, default_pids_limit=40),
        logs=replace(config.logs, max_size=65536, max_files=3),
    )


def port_of(number, **rest):
    return {"ports": [{"containerPort": 80, "hostPort": number, **rest}]}


def test_no_address_is_left(daemon, pod):
    names = [f"p{number}" for number in range(5)]
    for name in names:
        daemon.create(pod(name, FOREVER))
    for name in names:
        daemon.running(name)
    daemon.create(pod("late", FOREVER))
    message = daemon.told("late", "FailedCreatePodSandBox", "Failed to create pod sandbox: ")
    assert daemon.config.network.ipv4_cidr in message
    assert "pod default/late" in message
    assert daemon.row("late")[1:3] == ["0/1", "ContainerCreating"]
    assert daemon.config.network.ipv4_cidr in daemon.pyrt("describe", "pod", "late").out
    assert len(daemon.pod_processes()) == 5
    daemon.delete("p0", 0)
    daemon.running("late")
    addresses = [daemon.get(name)["status"]["podIP"] for name in [*names[1:], "late"]]
    assert len(set(addresses)) == 5


def test_host_ports_of_others(daemon, pod):
    """Of another pod, and of a process on the host, TCP and UDP; each is to be had when the other is gone."""
    number = free_port()
    daemon.create(pod("first", FOREVER, container=port_of(number)))
    daemon.running("first")
    with (
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
    ):
        for held in (listener, receiver):
            held.bind(("127.0.0.1", 0))
        listener.listen()
        daemon.create(pod("tcp", FOREVER, container=port_of(listener.getsockname()[1])))
        daemon.create(pod("udp", FOREVER, container=port_of(receiver.getsockname()[1], protocol="UDP")))
        daemon.create(pod("second", FOREVER, container=port_of(number)))
        for name, held, protocol in (("tcp", listener, "tcp"), ("udp", receiver, "udp")):
            words = f"hostPort {held.getsockname()[1]}/{protocol}"
            message = daemon.told(name, "FailedCreatePodSandBox", words)
            assert "a process on the host listens there" in message
        message = daemon.told("second", "FailedCreatePodSandBox", f"hostPort {number}/tcp")
        assert "in use by pod" in message
        assert len(daemon.pod_processes()) == 1
    daemon.delete("first", 0)
    for name in ("tcp", "udp", "second"):
        daemon.running(name)


def test_a_fork_bomb(daemon, pod):
    """Held by the pod's limit on processes; the daemon answers, and the pod can be deleted."""
    bomb = "n=0; while [ $n -lt 200 ]; do sleep 1000 & n=$((n+1)); done; echo all"
    daemon.create(pod("bomb", bomb))
    state = daemon.terminated("bomb")
    assert state["exitCode"] != 0
    assert "fork" in daemon.logs("bomb")
    daemon.create(pod("good", "true"))
    daemon.phase("good", "Succeeded")
    daemon.delete("bomb", 0)
    daemon.gone("bomb")
    daemon.until(lambda: len(daemon.pod_processes()) == 0)


def test_a_flood_of_log_lines(daemon, pod):
    """30 MB of lines: the files never hold more than the configured 3 times 64 KiB, and the last line is there."""
    line = "x" * 100
    flood = f"yes {line} | head -c 30000000; echo; echo the end"
    uid = daemon.create(pod("flood", flood))["metadata"]["uid"]
    daemon.phase("flood", "Succeeded")
    directory = daemon.config.paths.logs / f"default_flood_{uid}" / "app"
    sizes = {entry.name: entry.stat().st_size for entry in directory.iterdir()}
    assert len(sizes) <= 3
    assert sum(sizes.values()) <= 3 * 65536
    assert daemon.logs("flood").endswith("\nthe end\n")
    assert daemon.pyrt("logs", "flood", "--tail=1").out == "the end\n"


def test_a_line_without_end(daemon, pod):
    uid = daemon.create(pod("line", "head -c 3000000 /dev/zero | tr '\\0' x"))["metadata"]["uid"]
    daemon.phase("line", "Succeeded")
    directory = daemon.config.paths.logs / f"default_line_{uid}" / "app"
    assert sum(entry.stat().st_size for entry in directory.iterdir()) <= 3 * 65536
    assert set(daemon.logs("line")) == {"x"}


def test_a_huge_termination_message(daemon, pod):
    daemon.create(pod("web", "head -c 10000000 /dev/zero | tr '\\0' m > /dev/termination-log; exit 1"))
    message = daemon.terminated("web")["message"]
    assert message == "m" * 4096


def test_a_termination_message_that_is_no_text(daemon, pod):
    daemon.create(pod("web", "head -c 100 /dev/urandom > /dev/termination-log; exit 1"))
    assert "message" in daemon.terminated("web")
    assert daemon.pyrt("get", "pod", "web", "-o", "yaml").code == 0


def test_memory_beyond_the_limit(daemon, pod):
    limits = {"resources": {"limits": {"memory": "8Mi"}}}
    daemon.create(pod("web", "x=a; while true; do x=$x$x; done", container=limits))
    state = daemon.terminated("web")
    assert (state["exitCode"], state["reason"]) == (137, "OOMKilled")
    assert daemon.row("web")[2] == "OOMKilled"


def test_a_container_that_does_not_listen_to_the_stop_signal(daemon, pod):
    daemon.create(pod("web", "trap '' TERM INT HUP; while true; do sleep 0.1; done", terminationGracePeriodSeconds=1))
    daemon.running("web")
    said = daemon.pyrt("delete", "pod", "web", "--grace-period=1")
    assert (said.code, said.out) == (0, 'pod "web" deleted\n')
    assert daemon.get("web") is None
    daemon.until(lambda: not daemon.leftovers() and not daemon.pod_processes())
