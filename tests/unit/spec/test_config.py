from __future__ import annotations

import json

import pytest

from pyrt import spec


def test_unknown_properties_are_passed_over():
    assert spec.decode(b'{"ociVersion": "1.3.0", "futureThing": {"a": 1}, "hostname": "x"}').hostname == "x"


def test_null_says_nothing():
    text = (
        b'{"ociVersion": "1.0.2", "mounts": null, "process": {"args": ["x"], "capabilities": null, "rlimits": [null]}}'
    )
    config = spec.decode(text)
    assert config.mounts == ()
    assert config.process is not None
    assert config.process.capabilities is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"process": {"user": {"uid": "x"}}}', "process.user.uid: Expected `int`, got `str`"),
        (b'{"mounts": [{"type": "x"}]}', "mounts[0]: Object missing required field `destination`"),
        (b'{"process": {"user": {"uid": -1}}}', "process.user.uid: Expected `int` >= 0"),
        (b'{"process": {"user": {"uid": 4294967296}}}', "process.user.uid: Expected `int` <= 4294967295"),
    ],
)
def test_errors_name_the_property(text, message):
    with pytest.raises(spec.SpecError) as error:
        spec.decode(text)
    assert str(error.value) == message


def test_not_json():
    with pytest.raises(spec.SpecError, match="not JSON"):
        spec.decode(b"{")


NAMES = {
    "process": {
        "terminal": True,
        "consoleSize": {"height": 1, "width": 2},
        "user": {"uid": 1, "gid": 2, "umask": 3, "additionalGids": [4]},
        "args": ["a"],
        "env": ["b"],
        "cwd": "/c",
        "capabilities": {k: ["CAP_KILL"] for k in ("bounding", "effective", "inheritable", "permitted", "ambient")},
        "rlimits": [{"type": "RLIMIT_CPU", "hard": 1, "soft": 1}],
        "noNewPrivileges": True,
        "apparmorProfile": "p",
        "oomScoreAdj": 5,
        "scheduler": {"policy": "SCHED_FIFO", "priority": 1},
        "selinuxLabel": "l",
        "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 4},
        "execCPUAffinity": {"initial": "0", "final": "1"},
    },
    "root": {"path": "rootfs", "readonly": True},
    "hostname": "h",
    "domainname": "d",
    "mounts": [
        {
            "destination": "/x",
            "type": "t",
            "source": "s",
            "options": ["ro"],
            "uidMappings": [{"containerID": 1, "hostID": 2, "size": 3}],
        }
    ],
    "hooks": {"createRuntime": [{"path": "/h", "timeout": 1}], "startContainer": [{"path": "/s"}]},
    "annotations": {"a": "b"},
    "linux": {
        "sysctl": {"a": "b"},
        "cgroupsPath": "/c",
        "namespaces": [{"type": "pid", "path": "/p"}],
        "devices": [{"path": "/d", "type": "c", "major": 1, "minor": 2, "fileMode": 438, "uid": 1, "gid": 2}],
        "netDevices": {"eth0": {"name": "x"}},
        "seccomp": {
            "defaultAction": "SCMP_ACT_ERRNO",
            "defaultErrnoRet": 1,
            "architectures": ["SCMP_ARCH_X86"],
            "listenerPath": "/l",
            "syscalls": [
                {
                    "names": ["x"],
                    "action": "SCMP_ACT_ALLOW",
                    "errnoRet": 2,
                    "args": [{"index": 0, "value": 1, "valueTwo": 2, "op": "SCMP_CMP_EQ"}],
                }
            ],
        },
        "rootfsPropagation": "shared",
        "maskedPaths": ["/m"],
        "readonlyPaths": ["/r"],
        "mountLabel": "l",
        "intelRdt": {"closID": "c", "l3CacheSchema": "x", "memBwSchema": "y", "enableMonitoring": True},
        "memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0"},
        "personality": {"domain": "LINUX32"},
        "timeOffsets": {"monotonic": {"secs": 1, "nanosecs": 2}},
        "resources": {
            "devices": [{"allow": False, "access": "rwm"}],
            "memory": {"limit": 1, "kernelTCP": 2, "disableOOMKiller": True, "useHierarchy": True},
            "cpu": {"shares": 1, "realtimeRuntime": 2, "realtimePeriod": 3, "cpus": "0", "mems": "0", "idle": 1},
            "pids": {"limit": 4},
            "blockIO": {
                "weight": 10,
                "leafWeight": 11,
                "weightDevice": [{"major": 1, "minor": 2, "leafWeight": 3}],
                "throttleReadIOPSDevice": [{"major": 1, "minor": 2, "rate": 3}],
            },
            "hugepageLimits": [{"pageSize": "2MB", "limit": 1}],
            "network": {"classID": 1, "priorities": [{"name": "eth0", "priority": 2}]},
            "rdma": {"mlx": {"hcaHandles": 1, "hcaObjects": 2}},
            "unified": {"memory.high": "1"},
        },
    },
}


def test_every_name_is_the_specs():
    """Whatever is written is read, under the same name: nothing of this is lost on the way."""
    config = spec.decode(json.dumps({"ociVersion": "1.3.0", **NAMES}).encode())
    written = json.loads(spec.encode(config))
    assert written == {"ociVersion": "1.3.0", **NAMES}
