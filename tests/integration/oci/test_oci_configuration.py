"""What a bundle asks for, seen from inside."""

import json
import os
from pathlib import Path

import pytest


def namespace(runtime, kind, **fields):
    runtime.config["linux"]["namespaces"].append({"type": kind, **fields})


@pytest.mark.core
def test_hooks(runtime):
    out = runtime.base / "hooks"
    runtime.config["hooks"] = {
        kind: [
            {
                "path": "/bin/sh",
                "args": ["sh", "-c", f"echo {kind} $(readlink /proc/self/ns/uts) >> {out}; cat >> {out}.json"],
            }
        ]
        for kind in ("prestart", "createRuntime", "createContainer", "poststart", "poststop")
    }
    runtime.config["hooks"]["startContainer"] = [{"path": "/bin/sh", "args": ["sh", "-c", "hostname > /from-hook"]}]
    assert runtime.sh("cat /from-hook") == "pyrt-oci"
    lines = [line.split() for line in out.read_text().splitlines()]
    assert [line[0] for line in lines] == ["prestart", "createRuntime", "createContainer", "poststart", "poststop"]
    host = os.readlink("/proc/self/ns/uts")
    assert [line[1] == host for line in lines] == [True, True, False, True, True]
    states = (runtime.base / "hooks.json").read_text().replace("}{", "}\n{").splitlines()
    assert [json.loads(state)["status"] for state in states] == [
        "created",
        "creating",
        "creating",
        "running",
        "stopped",
    ]


@pytest.mark.parametrize("kind", ["createRuntime", "createContainer", "startContainer"])
def test_a_failing_hook_undoes_the_container(runtime, kind):
    runtime.config["hooks"] = {kind: [{"path": "/bin/sh", "args": ["sh", "-c", "echo no >&2; exit 4"]}]}
    assert f"{kind} hook #0: exit status 4" in runtime.run("/bin/true", fails=1).stderr
    assert runtime("list", "-q").stdout == ""


def test_a_hook_has_its_time(runtime):
    runtime.config["hooks"] = {"createRuntime": [{"path": "/bin/sleep", "args": ["sleep", "100"], "timeout": 1}]}
    assert "timeout of 1s" in runtime.run("/bin/true", fails=1).stderr


@pytest.mark.core
def test_a_user_namespace(runtime):
    runtime.rootfs.chmod(0o755)
    namespace(runtime, "user")
    runtime.config["linux"]["uidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 1000}]
    runtime.config["linux"]["gidMappings"] = [{"containerID": 0, "hostID": 200000, "size": 1000}]
    id_ = runtime.create("user", "/bin/sleep", "1000")
    runtime("start", id_)
    status = Path(f"/proc/{runtime.state(id_)['pid']}/status").read_text()
    assert "Uid:\t100000\t" in status
    assert "Gid:\t200000\t" in status
    inside = runtime("exec", "--user", "5", id_, "sh", "-c", "id; cat /proc/self/uid_map; readlink /proc/self/ns/user")
    first, mapping, link = inside.stdout.splitlines()
    assert first == "uid=5 gid=0"
    assert mapping.split() == ["0", "100000", "1000"]
    assert link != os.readlink("/proc/self/ns/user")


def test_a_time_namespace(runtime):
    namespace(runtime, "time")
    runtime.config["linux"]["timeOffsets"] = {"boottime": {"secs": 1000000}}
    assert float(runtime.sh("cat /proc/uptime").split()[0]) > 1000000


def test_without_a_mount_namespace_nothing_is_mounted_on_the_host(runtime):
    if tuple(map(int, os.uname().release.split(".")[:2])) < (6, 15):
        pytest.skip("needs Linux 6.15")
    kept = [entry for entry in runtime.config["linux"]["namespaces"] if entry["type"] != "mount"]
    runtime.config["linux"]["namespaces"] = kept
    before = Path("/proc/self/mountinfo").read_text()
    assert runtime.sh("readlink /proc/self/ns/mnt; ls /dev/null /proc/self/status").splitlines() == [
        os.readlink("/proc/self/ns/mnt"),
        "/dev/null",
        "/proc/self/status",
    ]
    assert Path("/proc/self/mountinfo").read_text() == before


def test_its_executable_cannot_be_overwritten(runtime):
    """CVE-2019-5736: the container executes whatever the runtime is, and writes to it."""
    done = runtime.run("/proc/self/exe", "1", fails=None)
    assert done.returncode != 0
    id_ = runtime.create("exe", "/bin/sleep", "1000")
    pid = runtime.state(id_)["pid"]
    assert os.readlink(f"/proc/{pid}/exe").startswith("/memfd:pyrt-init")
    with pytest.raises(OSError, match=r"(Text file busy|Permission denied|Operation not permitted)"):
        os.open(f"/proc/{pid}/exe", os.O_WRONLY)


def test_without_a_cgroup_namespace_its_own_cgroup_is_all_that_it_sees(runtime):
    """On v1: the hierarchies of the host, or the cgroups of others, are not in there (runc binds its own, too)."""
    if not Path("/sys/fs/cgroup/memory").exists():
        pytest.skip("needs cgroup v1")
    kept = [entry for entry in runtime.config["linux"]["namespaces"] if entry["type"] != "cgroup"]
    runtime.config["linux"]["namespaces"] = kept
    runtime.config["linux"]["resources"] = {"memory": {"limit": 64 << 20}}
    mount = {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro", "nosuid"]}
    runtime.config["mounts"] = [m for m in runtime.config["mounts"] if m["destination"] != "/sys/fs/cgroup"] + [mount]
    out = runtime.sh("cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes; exec cat pids/cgroup.procs")
    assert out.splitlines() == [str(64 << 20), "1"]


def test_a_profile_without_apparmor_is_told_of(runtime):
    if Path("/sys/module/apparmor/parameters/enabled").exists():
        pytest.skip("this kernel has AppArmor")
    runtime.config["process"]["apparmorProfile"] = "acme_secure_profile"
    done = runtime.run("/bin/true")
    assert "no AppArmor: profile acme_secure_profile is not enforced" in done.stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"root": {}}, "root must be specified"),
        ({"ociVersion": "2.0.0"}, "not supported"),
        ({"process": None}, "process property must not be empty"),
    ],
)
def test_refused(runtime, change, message):
    runtime.config.update(change)
    assert message in runtime("create", *runtime.bundle(), runtime.id("r"), fails=1).stderr
