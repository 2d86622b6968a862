"""What a container may do, and what it may not."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pyrt.launch import capabilities
from pyrt.runtime.config import ContainerSecurity, Device, Mount, NamespaceMode, Propagation, Seccomp
from pyrt.runtime.errors import CreateError, InvalidConfigError, StartError

from .conftest import Host

HELD = capabilities.of_process()


def status_of(text: str) -> dict[str, str]:
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


async def process_status(host: Host, **security: object) -> dict[str, str]:
    return status_of(await host.prints("cat", "/proc/self/status", security=ContainerSecurity(**security)))  # type: ignore[arg-type]


async def test_default_capabilities(host: Host) -> None:
    status = await process_status(host)
    expected = capabilities.mask(capabilities.DEFAULT) & HELD
    assert {name: int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb")} == {
        "CapEff": expected, "CapPrm": expected, "CapBnd": expected, "CapInh": 0, "CapAmb": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("add", "drop", "expected"),
    [
        (("NET_ADMIN",), (), ("NET_ADMIN", *(n[4:] for n in capabilities.DEFAULT))),
        ((), ("ALL",), ()),
        (("NET_BIND_SERVICE",), ("ALL",), ("NET_BIND_SERVICE",)),
        (("ALL",), (), tuple(n[4:] for n in capabilities.NAMES)),
    ],
)
async def test_added_and_dropped_capabilities(
    host: Host, add: tuple[str, ...], drop: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    status = await process_status(host, add_capabilities=add, drop_capabilities=drop)
    assert int(status["CapEff"], 16) == capabilities.mask(tuple(f"CAP_{name}" for name in expected)) & HELD


async def test_another_user_has_no_capabilities(host: Host) -> None:
    status = await process_status(host, run_as_user=1000)
    assert (int(status["CapEff"], 16), int(status["CapPrm"], 16), int(status["CapAmb"], 16)) == (0, 0, 0)
    assert int(status["CapBnd"], 16) == capabilities.mask(capabilities.DEFAULT) & HELD


@pytest.mark.core
@pytest.mark.parametrize("value", [True, False])
async def test_no_new_privileges(host: Host, value: bool) -> None:
    assert (await process_status(host, no_new_privileges=value))["NoNewPrivs"] == str(int(value))


@pytest.mark.core
@pytest.mark.parametrize(("kind", "mode"), [("RuntimeDefault", "2"), ("Unconfined", "0")])
async def test_seccomp_mode(host: Host, kind: str, mode: str) -> None:
    assert (await process_status(host, seccomp=Seccomp(kind)))["Seccomp"] == mode


@pytest.mark.core
async def test_the_default_filter_forbids_new_user_namespaces(host: Host) -> None:
    status, output = await host.run(
        "/bin/busybox", "unshare", "-U", "true", security=ContainerSecurity(run_as_user=1000)
    )
    assert status.exit_code == 1
    assert "Operation not permitted" in output


async def test_a_profile_of_ones_own(host: Host, workdir: Path) -> None:
    profile = workdir / "no-hostname.json"
    profile.write_text(
        '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": '
        '[{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}]}'
    )
    status, output = await host.run("mkdir", "/x", security=ContainerSecurity(seccomp=Seccomp("Localhost", profile)))
    assert status.exit_code == 1
    assert "not supported" in output


async def test_a_missing_profile_is_named(host: Host) -> None:
    security = ContainerSecurity(seccomp=Seccomp("Localhost", Path("nosuch.json")))
    with pytest.raises(CreateError, match=r"container app: seccomp profile .*/nosuch.json: No such file or directory"):
        await host.run("true", security=security)


@pytest.mark.core
async def test_masked_paths_are_empty_and_read_only_ones_are_so(host: Host) -> None:
    script = """
    for p in /proc/kcore /proc/keys /proc/timer_list; do [ -e $p ] && head -c1 $p | wc -c; done
    ls -A /proc/acpi /sys/firmware 2>/dev/null | grep -v : | grep .
    for p in /proc/sys/kernel/panic /proc/sys/kernel/hostname /sys/kernel/uevent_seqnum; do (echo 1 > $p); done
    """
    *empty, one, two, three = (await host.prints("sh", "-c", script + "true")).splitlines()
    assert set(empty) == {"0"}
    assert all("Read-only file system" in line for line in (one, two, three)), (one, two, three)


@pytest.mark.parametrize(
    ("security", "image_user", "expected"),
    [
        ({}, "", "0 0 0"),
        ({}, "app", "1000 1000 1000 2000"),
        ({}, "1234:50000", "1234 50000 50000"),
        ({}, "app:extra", "1000 2000 2000"),
        ({"run_as_user": 1000}, "", "1000 1000 1000 2000"),
        ({"run_as_username": "nobody"}, "app", "65534 65534 65534"),
        ({"run_as_user": 4711}, "app", "4711 0 0"),
        ({"run_as_user": 1000, "run_as_group": 77}, "", "1000 77 77 2000"),
        ({"run_as_user": 1000, "supplemental_groups": (5, 6)}, "", "1000 1000 5 6 1000 2000"),
        (
            {"run_as_user": 1000, "supplemental_groups": (5,), "supplemental_groups_policy": "Strict"},
            "",
            "1000 1000 5 1000",
        ),
    ],
)
async def test_user_and_groups(host: Host, security: dict[str, object], image_user: str, expected: str) -> None:
    output = await host.prints(
        "sh",
        "-c",
        "id -u; id -g; id -G",
        security=ContainerSecurity(**security),
        image=host.image(user=image_user),  # type: ignore[arg-type]
    )
    uid, gid, groups = output.splitlines()
    want = expected.split()
    assert [uid, gid] == want[:2]
    assert sorted(groups.split(), key=int) == sorted(set(want[2:]), key=int)


async def test_an_unknown_user_is_named(host: Host) -> None:
    with pytest.raises(CreateError, match="container app: user ghost: no such user in the image's /etc/passwd"):
        await host.run("true", image=host.image(user="ghost"))


@pytest.mark.parametrize(
    ("user", "words"),
    [
        (None, "container has runAsNonRoot and image will run as root"),
        (0, "container's runAsUser breaks non-root policy"),
    ],
)
async def test_run_as_non_root(host: Host, user: int | None, words: str) -> None:
    with pytest.raises(InvalidConfigError, match=f"container app: runAsNonRoot: {words}"):
        await host.run("true", security=ContainerSecurity(run_as_non_root=True, run_as_user=user))


@pytest.mark.core
async def test_privileged(host: Host) -> None:
    script = """
    grep -E 'CapEff|Seccomp:' /proc/self/status | cut -f2
    ls /dev | wc -l; touch /proc/sys/kernel/hostname && echo proc
    mkdir /sys/fs/cgroup/memory/x 2>/dev/null || mkdir /sys/fs/cgroup/x; echo $?
    rmdir /sys/fs/cgroup/memory/x 2>/dev/null || rmdir /sys/fs/cgroup/x
    """
    output = await host.prints("sh", "-c", script, security=ContainerSecurity(privileged=True))
    effective, seccomp, devices, proc, made, *_ = output.splitlines()
    assert int(effective, 16) == HELD
    assert (seccomp, proc, made) == ("0", "proc", "0")
    assert int(devices) > 20


@pytest.mark.core
async def test_devices_are_kept_away_by_the_cgroup(host: Host) -> None:
    if not host.runtime._core.cgroups.filters_devices:
        pytest.skip("this machine cannot filter devices")
    script = "mknod /null2 c 1 3 && echo x > /null2 && echo null; mknod /mem c 1 1 && head -c1 /mem; echo $?"
    output = await host.prints("sh", "-c", script)
    assert output.splitlines()[0] == "null"
    assert "Operation not permitted" in output
    assert output.splitlines()[-1] == "1"


@pytest.mark.core
async def test_a_device_of_the_host(host: Host) -> None:
    device = Device("/dev/mine", Path("/dev/kmsg"), "r")
    output = await host.prints("sh", "-c", "stat -c '%t:%T %F' /dev/mine; echo x > /dev/mine; :", devices=(device,))
    assert output.splitlines()[0] == "1:b character special file"
    assert "Operation not permitted" in output


async def test_a_device_that_is_none(host: Host) -> None:
    with pytest.raises(CreateError, match="container app: device /etc/passwd: not a device node"):
        await host.run("true", devices=(Device("/dev/x", Path("/etc/passwd")),))


async def test_rlimits_and_oom_score(host: Host) -> None:
    security = ContainerSecurity(rlimits={"RLIMIT_NOFILE": (100, 200)}, oom_score_adj=500)
    output = await host.prints("sh", "-c", "ulimit -Sn; ulimit -Hn; cat /proc/self/oom_score_adj", security=security)
    assert output.split() == ["100", "200", "500"]


async def test_a_negative_oom_score_is_clamped_where_it_cannot_be(host: Host) -> None:
    output = await host.prints("cat", "/proc/self/oom_score_adj", security=ContainerSecurity(oom_score_adj=-997))
    own = Path("/proc/self/oom_score_adj").read_text().strip()
    assert output in ("-997", own, "0")


async def test_nothing_of_the_host_is_open(host: Host) -> None:
    output = await host.prints("sh", "-c", "ls -l /proc/self/fd | grep -- '->' | sed 's/.*-> //'")
    for target in output.splitlines():
        assert (
            target.startswith(("pipe:", "/null", "/dev/null", "/proc/")) or "cannot read link" in target
        )  # ls's own, closed


@pytest.mark.core
async def test_the_hosts_root_cannot_be_reached(host: Host) -> None:
    script = "cd /proc/1/root && cat .pyrt-secret 2>/dev/null; cd ../../../..; ls -a / | grep pyrt; :"
    assert await host.prints("sh", "-c", script) == ""


# --- mount targets and sources that lead to the host


def hostile_layer(workdir: Path) -> tuple[Path, Path]:
    """A layer whose /data, /etc/hosts and /dev are links out of the container, and the host directory they aim at."""
    layer, victim = workdir / "layer", workdir / "victim"
    victim.mkdir()
    (victim / "file").write_text("the host's")
    (layer / "etc").mkdir(parents=True)
    (layer / "data").symlink_to(victim)
    (layer / "up").symlink_to("../../../../../../../../../../.." + str(victim))
    (layer / "etc" / "hosts").symlink_to(victim / "file")
    return layer, victim


@pytest.mark.core
async def test_a_mount_target_that_is_a_link_to_the_host_stays_inside(host: Host, workdir: Path) -> None:
    layer, victim = hostile_layer(workdir)
    volume = workdir / "volume"
    volume.mkdir()
    mounts = (Mount("/data", volume), Mount("/up/sub", volume))
    await host.prints(
        "sh", "-c", "echo x > /data/x; echo y > /up/sub/y; echo z > /etc/hosts", image=host.image(layer), mounts=mounts
    )
    assert (victim / "file").read_text() == "the host's"
    assert sorted(os.listdir(victim)) == ["file"]
    assert {"x", "sub"} <= set(os.listdir(volume))


async def test_nothing_may_be_mounted_into_proc(host: Host, workdir: Path) -> None:
    with pytest.raises(CreateError, match="nothing may be mounted inside /proc"):
        await host.run("true", mounts=(Mount("/proc/sys/kernel", workdir),))


async def test_a_sub_path_cannot_lead_out_of_its_volume(host: Host, workdir: Path) -> None:
    volume, secret = workdir / "volume", workdir / "secret"
    volume.mkdir()
    secret.mkdir()
    (volume / "link").symlink_to(secret)
    (volume / "up").symlink_to("..")
    for sub_path in ("link", "up/secret", "link/deeper"):
        with pytest.raises((StartError, CreateError)):
            await host.run("true", mounts=(Mount("/data", volume, sub_path=sub_path, description="emptyDir v"),))
    with pytest.raises(CreateError, match=r"subPath \.\./secret"):
        await host.run("true", mounts=(Mount("/data", volume, sub_path="../secret"),))
    assert list(secret.iterdir()) == []


async def test_propagation(host: Host, workdir: Path) -> None:
    volume = workdir / "volume"
    volume.mkdir()
    privileged = ContainerSecurity(privileged=True)
    script = "mkdir /v/m; mount -t tmpfs none /v/m && touch /v/m/x && grep -c ' /v/m ' /proc/mounts"
    assert await host.prints("sh", "-c", script, security=privileged, mounts=(Mount("/v", volume),)) == "1"
    assert not (volume / "m" / "x").exists()


async def test_a_read_only_mount(host: Host, workdir: Path) -> None:
    volume = workdir / "volume"
    volume.mkdir()
    output = await host.prints("sh", "-c", "touch /v/x 2>&1; :", mounts=(Mount("/v", volume, readonly=True),))
    assert "Read-only file system" in output


@pytest.mark.parametrize(
    "edit", [{"readonly": False}, {"readonly": True, "propagation": Propagation.HOST_TO_CONTAINER}]
)
async def test_recursive_read_only_needs_what_it_needs(host: Host, workdir: Path, edit: dict[str, object]) -> None:
    with pytest.raises(InvalidConfigError, match="recursive read-only"):
        await host.run("true", mounts=(Mount("/v", workdir, recursive_readonly=True, **edit),))  # type: ignore[arg-type]


async def test_a_missing_source_names_mount_and_volume(host: Host, workdir: Path) -> None:
    mount = Mount("/cache", workdir / "gone", description="emptyDir cache")
    with pytest.raises(StartError) as failed:
        await host.run("true", mounts=(mount,))
    assert str(failed.value).startswith("container app: mount emptyDir cache")
    assert str(failed.value).endswith("on /cache (rbind, rprivate): No such file or directory")


async def test_host_pid_does_not_give_the_hosts_processes_away(host: Host) -> None:
    output = await host.prints(
        "sh", "-c", f"kill -0 {os.getpid()} && echo visible; ls /proc/{os.getpid()}/root 2>&1 | head -1",
        sandbox={"pid": NamespaceMode.NODE}, security=ContainerSecurity(run_as_user=1000),
    )  # fmt: skip
    assert "Permission denied" in output or "can't" in output


async def test_files_of_the_sandbox_belong_to_root(host: Host) -> None:
    output = await host.prints("stat", "-c", "%u:%g %a", "/etc/hosts", "/etc/resolv.conf", "/etc/hostname", "/")
    assert output.splitlines() == ["0:0 644"] * 3 + ["0:0 755"]
    assert stat.S_IMODE(host.config.paths.root.stat().st_mode) & 0o006 == 0
