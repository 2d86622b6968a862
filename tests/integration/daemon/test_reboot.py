"""The machine goes down and comes up again: pods are started as their restartPolicy says.

What a reboot does is done by hand: every process of the instance is killed at once, its run directory (a tmpfs),
cgroups and nftables are gone, and the daemon sees another boot id, which is mounted over the real one in a mount
namespace of its own.
"""

import os
import shutil
import signal
import sqlite3
import subprocess
import uuid
from contextlib import closing
from pathlib import Path

import msgspec

FOREVER = "trap 'exit 0' TERM; while true; do sleep 0.1; done"
BOOT_ID = "/proc/sys/kernel/random/boot_id"


def reboot(daemon):
    """Down and up."""
    daemon.until(lambda: _settled(daemon))
    daemon.kill()
    for pid in daemon.pod_processes():
        os.kill(pid, signal.SIGKILL)
    daemon.until(lambda: not daemon.pod_processes())
    daemon.until(lambda: _remove_cgroups(daemon.config.cgroup.parent))
    shutil.rmtree(daemon.config.paths.run)
    table = daemon.config.network.nft_table
    for family in ("ip", "ip6", "inet"):
        subprocess.run(["nft", "delete", "table", family, table], check=False, capture_output=True)
    file = daemon.file.parent / "boot_id"
    file.write_text(f"{uuid.uuid4()}\n")
    script = f'mount --bind "$0" {BOOT_ID} && exec "$@"'
    daemon.wrapper = ["unshare", "--mount", "sh", "-c", script, str(file)]
    daemon.start()


def _settled(daemon):
    """Whether all layers are on disk: one that was unpacked seconds before a power cut has to be pulled again."""
    with closing(sqlite3.connect(f"file:{daemon.config.paths.root}/pyrt.db?mode=ro", uri=True)) as database:
        layers = database.execute("SELECT value FROM records WHERE collection = 'layers'").fetchall()
    return not any(msgspec.msgpack.decode(value)["boot_id"] for (value,) in layers)


def _remove_cgroups(parent):
    """Whether the instance's cgroups are gone, as they are after a boot."""
    for root in Path("/sys/fs/cgroup").iterdir():
        for directory, _, _ in os.walk(root / parent, topdown=False):
            try:
                os.rmdir(directory)
            except OSError:
                return False
    return True


def container(pod, index=0):
    return pod["status"]["containerStatuses"][index]


def again(daemon, name, count=1):
    """Wait until the pod's container runs with this restartCount; the pod."""

    def look():
        pod = daemon.get(name)
        statuses = pod["status"].get("containerStatuses")
        return pod if statuses and statuses[0]["restartCount"] == count and "running" in statuses[0]["state"] else None

    return daemon.until(look)


def test_pods_by_policy(own_daemon, pod):
    daemon = own_daemon
    port = {"ports": [{"containerPort": 80, "hostPort": 43119}]}
    daemon.create(pod("always", "echo hi; " + FOREVER, container=port, restartPolicy="Always"))
    daemon.create(pod("onfailure", FOREVER, restartPolicy="OnFailure"))
    daemon.create(pod("never", "echo once; " + FOREVER))
    daemon.create(pod("done", "echo done; exit 0", restartPolicy="OnFailure"))
    daemon.create(pod("failed", "exit 4"))
    running = {name: daemon.running(name) for name in ("always", "onfailure", "never")}
    done, failed = daemon.phase("done", "Succeeded"), daemon.phase("failed", "Failed")
    reboot(daemon)
    always, onfailure = again(daemon, "always"), again(daemon, "onfailure")
    for after in (always, onfailure):
        before = running[after["metadata"]["name"]]
        last = container(after)["lastState"]["terminated"]
        assert (last["exitCode"], last["containerID"]) == (255, container(before)["containerID"])
        assert last["startedAt"] == container(before)["state"]["running"]["startedAt"]
        assert after["status"]["startTime"] == before["status"]["startTime"]
    never = daemon.phase("never", "Failed")
    assert container(never)["state"]["terminated"]["exitCode"] == 255
    assert container(never)["restartCount"] == 0
    for before in (done, failed):
        after = daemon.get(before["metadata"]["name"])
        assert after["status"]["phase"] == before["status"]["phase"]
        assert container(after)["state"] == container(before)["state"]
    assert always["status"]["podIPs"] != onfailure["status"]["podIPs"]
    assert len(daemon.pod_processes()) == 2
    assert daemon.logs("always", "?previous=true") == daemon.logs("always") == "hi\n"
    assert daemon.logs("never") == "once\n"
    assert daemon.logs("done") == "done\n"
    assert daemon.exec("always", "hostname")[1] == "always\n"


def test_volumes(own_daemon, pod):
    """An emptyDir lives as long as its pod, on disk; in memory it does not outlive the boot."""
    daemon = own_daemon
    volumes = [{"name": "disk", "emptyDir": {}}, {"name": "memory", "emptyDir": {"medium": "Memory"}}]
    mounts = {"volumeMounts": [{"name": v["name"], "mountPath": f"/{v['name']}"} for v in volumes]}
    script = "for d in disk memory; do echo x >>/$d/file; echo $d $(wc -l </$d/file); done; " + FOREVER
    daemon.create(pod("web", script, container=mounts, volumes=volumes, restartPolicy="Always"))
    daemon.running("web")
    daemon.until(lambda: daemon.logs("web") == "disk 1\nmemory 1\n")
    reboot(daemon)
    again(daemon, "web")
    daemon.until(lambda: daemon.logs("web") == "disk 2\nmemory 1\n")


def test_init_containers_run_again(own_daemon, pod):
    daemon = own_daemon
    mounts = {"volumeMounts": [{"name": "d", "mountPath": "/d"}]}
    init = {"name": "init", "image": "busybox:1.36", "command": ["sh", "-c", "echo x >>/d/ran"], **mounts}
    volumes = [{"name": "d", "emptyDir": {}}]
    daemon.create(pod("web", FOREVER, container=mounts, initContainers=[init], volumes=volumes, restartPolicy="Always"))
    daemon.running("web")
    reboot(daemon)
    again(daemon, "web")
    assert daemon.exec("web", "cat", "/d/ran")[1] == "x\nx\n"


def test_a_deletion_before_and_a_crash_after(own_daemon, pod):
    """What was to be deleted goes; the back-off of a crash loop is remembered; another reboot finds all in order."""
    daemon = own_daemon
    daemon.create(pod("gone", "trap '' TERM; while true; do sleep 0.1; done", restartPolicy="Always"))
    daemon.create(pod("loop", "exit 3", restartPolicy="Always"))
    daemon.create(pod("web", FOREVER, restartPolicy="Always"))
    daemon.running("gone")
    daemon.running("web")
    daemon.event("loop", "BackOff")
    daemon.delete("gone")
    daemon.stop()  # this time the machine goes down in good order
    reboot(daemon)
    daemon.gone("gone")
    again(daemon, "web")
    loop = container(daemon.get("loop"))
    assert loop["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert (loop["restartCount"], loop["lastState"]["terminated"]["exitCode"]) == (1, 3)
    daemon.kill()
    daemon.start()
    reboot(daemon)
    daemon.event("web", "BackOff")  # the second restart within ten minutes
    web = container(daemon.get("web"))
    assert (web["restartCount"], web["lastState"]["terminated"]["exitCode"]) == (1, 255)


def test_a_pod_that_was_just_accepted(own_daemon, pod):
    """The daemon and the machine go down before anything of the pod was made, or in the middle of it."""
    daemon = own_daemon
    for number in range(4):
        daemon.create(pod(f"p{number}", FOREVER, restartPolicy="Always"))
    reboot(daemon)
    for number in range(4):
        daemon.running(f"p{number}")
    assert len(daemon.pod_processes()) == 4
