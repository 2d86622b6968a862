"""Mounts: targets that move while they are looked up, /proc by other names, sources that lead away, propagation."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pyrt.images.types import Image
from pyrt.runtime.config import ContainerSecurity, Mount, Propagation
from pyrt.runtime.errors import CreateError, StartError
from tests.integration.runtime.conftest import Host

ROUNDS = 12


async def test_a_mount_target_that_is_swapped_for_a_link(host: Host, workdir: Path, armed: Image) -> None:
    """runc CVE-2021-30465: two containers share a volume, one exchanges a directory for a link to the root while the
    other is started with a mount on it. Wherever it ends up, it is inside; the same for a subPath (kubelet
    CVE-2017-1002101, 2021-25741).
    """
    shared, other, victim = workdir / "shared", workdir / "other", workdir / "victim"
    for directory in (shared, other, victim, shared / "d", shared / "d" / "sub", shared / "secret"):
        directory.mkdir()
    (victim / "secret").mkdir()
    (other / "marker").write_text("the other volume")
    (victim / "host").write_text("the host's")
    (shared / "link").symlink_to("/../../../../../../../../../../../../.." + str(victim))
    (shared / "d" / "file").write_text("in the volume")
    sandbox = await host.runtime.run_sandbox(host.sandbox())
    mounts = (Mount("/v", shared),)
    swapper = await host.start(sandbox.id, "attack", "swap", "/v/d", "/v/link", image=armed, mounts=mounts)
    await host.inside(swapper, "sh", "-c", "while ! [ -e /tmp/swapping ]; do sleep 0.01; done")
    started = 0
    for number in range(ROUNDS):
        inner = (Mount("/v", shared), Mount("/v/d/sub", other), Mount("/s", shared, sub_path="d"))
        command = ("sh", "-c", "cat /proc/self/mountinfo; ls /s; cat /s/host /v/d/host")
        try:
            container = await host.start(sandbox.id, *command, name=f"c{number}", image=armed, mounts=inner)
        except (StartError, CreateError):
            continue  # the look-up met the exchange: an error is right
        await host.runtime.wait_container(container)
        started += 1
        assert "the host's" not in host.output(container)
    # The swapper ends as soon as it sees the file, and takes whoever made it along: the exit code says nothing.
    await host.runtime.exec_sync(swapper, ("touch", "/tmp/stop"))
    assert sorted(os.listdir(victim)) == ["host", "secret"]
    assert os.listdir(victim / "secret") == []
    assert not any(str(workdir) in line for line in Path("/proc/self/mountinfo").read_text().splitlines())


@pytest.mark.core
@pytest.mark.parametrize("target", ["/p/self", "/p/self/attr", "/p/1", "/p/sys/kernel", "/p"])
async def test_proc_by_another_name(host: Host, workdir: Path, target: str) -> None:
    """runc CVE-2019-16884, 2019-19921, 2023-27561, 2025-52881: a link in the image leads a volume onto /proc or into
    it, so that what the runtime writes there (labels, oom_score_adj, sysctls) goes to files of the attacker.
    """
    layer, volume = workdir / "layer", workdir / "volume"
    layer.mkdir()
    volume.mkdir()
    (layer / "p").symlink_to("/proc")
    (volume / "oom_score_adj").write_text("untouched")
    (volume / "oom_score_adj").chmod(0o666)
    (volume / "exec").write_text("untouched")
    security = ContainerSecurity(oom_score_adj=500)
    sandbox = await host.runtime.run_sandbox(host.sandbox())
    try:
        container = await host.start(
            sandbox.id, "sleep", "1000", image=host.image(layer), mounts=(Mount(target, volume),), security=security
        )
    except StartError:
        pass
    else:
        pid = host.runtime._core.containers[container].pid
        # The real file was written, and where /proc is the attacker's the real one lies below it.
        assert Path(f"/proc/{pid}/oom_score_adj").read_text().strip() == "500"
        await host.runtime.exec_sync(container, ("true",))
    assert (volume / "oom_score_adj").read_text() == "untouched"
    assert (volume / "exec").read_text() == "untouched"


@pytest.mark.parametrize("name", ["proc", "sys", "dev"])
async def test_an_image_whose_proc_is_a_link(host: Host, workdir: Path, name: str) -> None:
    """runc CVE-2019-19921, 2023-28642: /proc, /sys or /dev is a link, so that masks and labels are put elsewhere. A
    mask holds for what the program then finds under the path.
    """
    layer, victim = workdir / "layer", workdir / "victim"
    (layer / "elsewhere").mkdir(parents=True)
    victim.mkdir()
    (layer / name).symlink_to("../../../../../.." + str(victim))
    image = host.image(workdir / "layer")
    script = "head -c1 /proc/keys | wc -c; echo x 2>&1 > /proc/sys/kernel/core_pattern; ls -A /sys/firmware | wc -l"
    try:
        _, output = await host.run("sh", "-c", script, image=image)
    except (StartError, CreateError):
        output = ""
    assert os.listdir(victim) == []
    if output:
        assert "Read-only file system" in output
        assert output.splitlines()[0] in ("0", "head: /proc/keys: No such file or directory")


async def test_an_image_that_supplies_the_targets_of_masks_and_the_terminal(host: Host, workdir: Path) -> None:
    """runc CVE-2025-31133 and 2025-52565: /dev/null or /dev/console of the image are links to files of procfs, and
    the runtime mounts those where it means a null device or a terminal.
    """
    layer = workdir / "layer"
    (layer / "dev").mkdir(parents=True)
    (layer / "dev/null").symlink_to("/proc/sys/kernel/core_pattern")
    (layer / "dev/console").symlink_to("/proc/sysrq-trigger")
    (layer / "dev/ptmx").symlink_to("/proc/sys/kernel/core_pattern")
    script = "stat -c '%F %t:%T' /dev/null; readlink /dev/ptmx; head -c9 /proc/keys | wc -c; stat -c %F /dev/console"
    output = await host.prints("sh", "-c", script, image=host.image(layer), tty=True)
    assert output.replace("\r", "").splitlines() == [
        "character special file 1:3",
        "pts/ptmx",
        "0",
        "character special file",
    ]


async def test_exec_in_a_container_that_has_covered_its_files(host: Host, workdir: Path) -> None:
    """runc CVE-2016-9962, 2019-19921 for exec: a privileged container mounts over /proc and /dev before somebody
    enters it; the one who enters writes to neither and opens no terminal of the container's making.
    """
    sandbox = await host.runtime.run_sandbox(host.sandbox())
    script = (
        "mkdir -p /fake/self/attr /fakedev/pts; echo untouched > /fake/self/oom_score_adj; touch /fakedev/pts/ptmx;"
        "mount --bind /fake /proc; mount --bind /fakedev /dev; touch /ready; exec sleep 1000"
    )
    container = await host.start(
        sandbox.id, "sh", "-c", script, security=ContainerSecurity(privileged=True, oom_score_adj=321)
    )
    upper = host.config.paths.root / "containers" / container / "upper"
    await host.inside(container, "sh", "-c", "while ! [ -e /ready ]; do sleep 0.01; done")
    assert (upper / "fake/self/oom_score_adj").read_text() == "untouched\n"


async def test_a_volume_that_is_a_link(host: Host, workdir: Path) -> None:
    """podman CVE-2024-1753, buildah CVE-2024-9407, kubelet CVE-2017-1002101: a subPath, or a link left in a volume by
    another container, as source. (hostPath itself is the operator's, and may be a link.)
    """
    volume, secret = workdir / "volume", workdir / "secret"
    volume.mkdir()
    secret.mkdir()
    (secret / "shadow").write_text("root:secret")
    for name, target in (
        ("abs", str(secret)),
        ("rel", "../secret"),
        ("proc", "/proc/self/root"),
        ("file", "/etc/shadow"),
    ):
        (volume / name).symlink_to(target)
    for sub_path in ("abs", "rel", "proc/etc", "file", "rel/shadow", "./abs/shadow"):
        with pytest.raises((StartError, CreateError)):
            await host.run("ls", "/data", mounts=(Mount("/data", volume, sub_path=sub_path),))


async def test_what_a_container_mounts_does_not_reach_the_host(host: Host, workdir: Path) -> None:
    """rshared roots and Bidirectional by accident: a privileged container mounts over a volume that is only received
    from the host (HostToContainer), and over its own root.
    """
    volume = workdir / "volume"
    (volume / "m").mkdir(parents=True)
    before = Path("/proc/self/mountinfo").read_text()
    mounts = (Mount("/v", volume, propagation=Propagation.HOST_TO_CONTAINER),)
    script = "mount -t tmpfs t /v/m && mount -t tmpfs t /tmp && mount --bind /etc /v && echo mounted"
    output = await host.prints("sh", "-c", script, mounts=mounts, security=ContainerSecurity(privileged=True))
    assert output == "mounted"
    assert Path("/proc/self/mountinfo").read_text() == before


NESTED = """
import os, pathlib, subprocess, sys
def run(*words): subprocess.run(words, check=True)
base = sys.argv[1]
run("mount", "--make-rprivate", "/")
run("mount", "-t", "tmpfs", "outer", base)
os.mkdir(base + "/inner")
run("mount", "-t", "tmpfs", "inner", base + "/inner")
os.mkdir(base + "/inner/most")
run("mount", "-t", "tmpfs", "most", base + "/inner/most")
run("mount", "--make-rshared", "/")
before = pathlib.Path("/proc/self/mountinfo").read_text()
code = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", sys.argv[2]]).returncode
assert pathlib.Path("/proc/self/mountinfo").read_text() == before, "mounts of the host are gone"
sys.exit(code)
"""


def test_the_hosts_shared_mounts_stay_when_the_old_root_is_let_go(workdir: Path) -> None:
    """Not a CVE, but every runtime had it once: where systemd makes all mounts shared, a lazy umount of the old root
    takes the host's mounts along.
    """
    base = workdir / "shared"
    base.mkdir()
    one = f"{Path(__file__).parent}/test_processes.py::test_exec_leaks_no_descriptor"
    result = subprocess.run(
        ["unshare", "-m", "--propagation", "private", sys.executable, "-c", NESTED, str(base), one],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
