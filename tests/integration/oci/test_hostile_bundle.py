"""Hostile root file systems: links and files where the runtime mounts, masks, writes or makes devices."""

import json
import os
from pathlib import Path

import pytest


@pytest.fixture
def victim(tmp_path):
    """A directory of the host's, in which nothing may appear."""
    found = tmp_path / "victim"
    found.mkdir()
    yield found
    assert os.listdir(found) == []


@pytest.mark.core
@pytest.mark.parametrize("name", ["proc", "sys", "dev"])
def test_a_root_whose_mount_targets_are_links(runtime, victim, name):
    """runc CVE-2019-19921, CVE-2021-30465, CVE-2023-28642: what is mounted, and the masks in it, land elsewhere."""
    (runtime.rootfs / name).symlink_to("../../../../../../../.." + str(victim))
    done = runtime.run("/bin/sh", "-c", "cat /proc/keys; echo x > /proc/sys/kernel/core_pattern", fails=None)
    assert done.returncode != 0
    assert str(victim) not in Path("/proc/self/mountinfo").read_text()


def test_a_root_that_supplies_the_null_device_and_the_terminal(runtime):
    """runc CVE-2025-31133, CVE-2025-52565: /dev/null, /dev/ptmx and /dev/console of the image are links into procfs."""
    (runtime.rootfs / "dev").mkdir()
    for name in ("null", "console", "ptmx"):
        (runtime.rootfs / "dev" / name).symlink_to("/proc/sys/kernel/core_pattern")
    before = Path("/proc/sys/kernel/core_pattern").read_text()
    out = runtime.sh("ls -l /dev/null; readlink /dev/ptmx; cat /proc/keys 2>/dev/null | /bin/busybox wc -c")
    device, pts, keys = out.splitlines()
    assert device.startswith("crw")
    assert "1,   3" in device
    assert (pts, keys) == ("pts/ptmx", "0")
    assert Path("/proc/sys/kernel/core_pattern").read_text() == before


@pytest.mark.parametrize("target", ["/p/self", "/p/self/attr", "/p/sys/kernel", "/p"])
def test_proc_by_another_name(runtime, target):
    """runc CVE-2019-16884, CVE-2023-27561, CVE-2025-52881: a link of the image leads a mount over procfs, so that
    labels, oom_score_adj and sysctls are written to files of the attacker."""
    volume = runtime.base / "volume"
    volume.mkdir()
    (volume / "oom_score_adj").write_text("untouched")
    (runtime.rootfs / "p").symlink_to("/proc")
    runtime.config["process"]["oomScoreAdj"] = 500
    runtime.config["mounts"].append(
        {"destination": target, "source": str(volume), "type": "bind", "options": ["rbind", "rw"]}
    )
    runtime.run("/bin/true", fails=None)
    assert (volume / "oom_score_adj").read_text() == "untouched"


def test_a_cgroup_mount_behind_a_link(runtime, victim):
    """The directory that cgroups are mounted in is a link to the host."""
    (runtime.rootfs / "cg").symlink_to("../../../../../../../.." + str(victim))
    runtime.config["mounts"].append(
        {"destination": "/cg/fs", "source": "cgroup", "type": "cgroup", "options": ["ro", "nosuid", "noexec", "nodev"]}
    )
    runtime.run("/bin/true", fails=None)


def test_messages_stay_one_line_of_the_log(runtime):
    """A name from the bundle ends neither the line nor the string, and no terminal obeys it."""
    log = runtime.base / "log.json"
    runtime.bundle('/x"}\n{"level":"error","msg":"forged\x1b[2J')
    words = [
        "--log",
        str(log),
        "--log-format",
        "json",
        "run",
        "--bundle",
        str(runtime.base / "bundle"),
        runtime.id("l"),
    ]
    runtime(*words, fails=1)
    (line,) = log.read_text().splitlines()
    assert "forged" in json.loads(line)["msg"]
    assert "\x1b" not in line


def test_hooks_get_the_environment_that_they_name(runtime, monkeypatch):
    """Nothing of the runtime's own environment, nor of the container's."""
    monkeypatch.setenv("SECRET", "of-the-caller")
    runtime.config["process"]["env"].append("LD_PRELOAD=/evil.so")
    out = runtime.base / "hook"
    hook = {"path": "/bin/sh", "args": ["sh", "-c", f"/usr/bin/env > {out}"], "env": ["A=b"]}
    runtime.config["hooks"] = {"createRuntime": [hook]}
    runtime.run("/bin/true")
    names = {line.partition("=")[0] for line in out.read_text().splitlines()}
    assert names <= {"A", "PWD", "SHLVL", "_", "OLDPWD"}
