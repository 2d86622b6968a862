"""What a container sees mounted, and that no name in it leads a mount out of it."""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import replace

import msgspec
import pytest

from pyrt import _native, spec
from pyrt.launch import Features, LaunchError, MountSource, compile_container
from pyrt.launch.defaults import default_mounts


def bind(source, destination, *options):
    return spec.Mount(
        destination=destination, type="bind", source=str(source), options=options or ("rbind", "rprivate")
    )


def mounts_of(text):
    """mount point -> (type, options), from the output of mount(8)."""
    found = {}
    for line in text.splitlines():
        _, _, point, _, kind, options = line.split(" ", 5)
        found[point] = (kind, options.strip("()").split(","))
    return found


@pytest.mark.core
def test_the_usual_file_systems(box):
    found = mounts_of(box.run("mount").output)
    assert found["/"][0] == "overlay"
    assert found["/proc"][0] == "proc"
    assert found["/dev"][0] == "tmpfs"
    assert found["/dev/pts"][0] == "devpts"
    assert found["/dev/mqueue"][0] == "mqueue"
    assert "ro" in found["/sys"][1]
    assert "ro" in found["/proc/sys"][1]
    assert {"nosuid", "nodev", "noexec"} <= set(found["/proc"][1])


def test_nothing_of_the_host_is_left(box):
    points = set(mounts_of(box.run("mount").output))
    assert all(p == "/" or p.startswith(("/proc", "/dev", "/sys")) for p in points)


@pytest.mark.core
def test_devices(box):
    result = box.sh(
        "stat -c '%n %t:%T %a %F' /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty; echo x > /dev/null"
    )
    assert "/dev/null 1:3 666" in result.output
    assert "/dev/tty 5:0 666" in result.output
    assert result.code == 0


def test_links_in_dev(box):
    output = box.sh("for l in ptmx fd stdin stdout stderr; do readlink /dev/$l; done").output.split()
    assert output == ["pts/ptmx", "/proc/self/fd", "/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2"]


@pytest.mark.core
def test_masked_and_readonly_paths(box):
    box.linux(
        masked_paths=("/proc/keys", "/sys/firmware", "/etc", "/no/such/path"), readonly_paths=("/proc/sys", "/tmp")
    )
    result = box.sh(
        "cat /proc/keys; ls /sys/firmware /etc; touch /tmp/x; echo 1 > /proc/sys/vm/drop_caches; touch /etc/y"
    )
    assert result.output.count("Read-only file system") == 3
    assert "passwd" not in result.output
    assert len(result.output.splitlines()) <= 6


def test_masked_path_that_is_a_link_stays_inside(box, workdir):
    outside = workdir / "precious"
    outside.mkdir()
    (outside / "file").write_text("x")
    (workdir / "upper/mask").symlink_to(f"/../../..{outside}")
    box.linux(masked_paths=("/mask",), readonly_paths=("/mask",))
    assert box.run("true").error is None
    assert (outside / "file").read_text() == "x"


def test_a_container_cannot_supply_the_null_device_of_a_mask(box, workdir):
    """CVE-2025-31133: /dev/null of the image is a link to something that masking would then mount."""
    mounts = tuple(m for m in box.spec.mounts if not m.destination.startswith("/dev"))
    (workdir / "upper/dev").mkdir()
    (workdir / "upper/dev/null").symlink_to("/etc/passwd")
    box.spec = msgspec.structs.replace(box.spec, mounts=mounts)
    box.linux(masked_paths=("/etc/group",))
    assert box.sh("cat /etc/group; test -c /etc/group && echo device").output == "device\n"


def test_readonly_root(box):
    box.readonly()
    box.mount(spec.Mount(destination="/scratch", type="tmpfs", source="tmpfs", options=("size=1m",)))
    result = box.sh("touch /x; touch /scratch/y && echo ok; echo > /dev/null && echo dev")
    assert "Read-only file system" in result.output
    assert result.output.splitlines()[-2:] == ["ok", "dev"]


def test_bind_of_directory_and_file_makes_targets(box, workdir):
    (workdir / "vol").mkdir()
    (workdir / "vol/a").write_text("from the host\n")
    box.mount(bind(workdir / "vol", "/new/deep/dir"), bind(workdir / "vol/a", "/new/file"))
    assert box.sh("cat /new/deep/dir/a /new/file; echo back > /new/deep/dir/b").output == "from the host\n" * 2
    assert (workdir / "vol/b").read_text() == "back\n"


@pytest.mark.core
def test_readonly_bind(box, workdir):
    (workdir / "vol").mkdir()
    box.mount(bind(workdir / "vol", "/vol", "rbind", "rprivate", "ro"))
    assert "Read-only file system" in box.sh("touch /vol/x").output


def test_readonly_bind_is_recursive_only_if_asked(box, workdir, host_tmpfs):
    box.mount(bind(host_tmpfs.parent, "/ro", "rbind", "ro"), bind(host_tmpfs.parent, "/rro", "rbind", "rro"))
    result = box.sh("touch /ro/inner/a && echo written; touch /rro/inner/b")
    assert result.output.startswith("written\n")
    assert "Read-only file system" in result.output


@pytest.fixture
def host_tmpfs(workdir):
    """vol/inner: a mount below a volume's directory."""
    inner = workdir / "vol/inner"
    inner.mkdir(parents=True)
    _native.mount("tmpfs", str(inner), "tmpfs", 0, "size=1m")
    yield inner
    _native.umount(str(inner), 2)


@pytest.mark.core
def test_bidirectional_mount_reaches_the_host(box, workdir):
    shared = workdir / "shared"
    shared.mkdir()
    _native.mount(str(shared), str(shared), None, 0x1000)  # MS_BIND
    try:
        _native.mount_setattr(-100, str(shared), propagation=1 << 20)
        (shared / "m").mkdir()
        box.mount(bind(shared, "/shared", "rbind", "rshared"))
        box.context = replace(box.context, sources={"/shared": MountSource(bidirectional=True)})
        box.capabilities("CAP_SYS_ADMIN")
        box.linux(seccomp=None)
        running = box.start("sh", "-c", "mount -t tmpfs tmpfs /shared/m && echo mounted")
        assert running.finish().output == "mounted\n"
        assert os.path.ismount(shared / "m")
    finally:
        if os.path.ismount(shared / "m"):
            _native.umount(str(shared / "m"), 2)
        _native.umount(str(shared), 2)


def test_host_to_container_propagation(box, workdir):
    shared = workdir / "shared"
    (shared / "m").mkdir(parents=True)
    _native.mount(str(shared), str(shared), None, 0x1000)
    try:
        _native.mount_setattr(-100, str(shared), propagation=1 << 20)
        box.mount(bind(shared, "/shared", "rbind", "rslave"))
        box.context = replace(box.context, wait=True)
        running = box.start("sh", "-c", "mount")
        running.report()
        _native.mount("tmpfs", str(shared / "m"), "tmpfs")
        running.go()
        assert "/shared/m" in mounts_of(running.finish().output)
    finally:
        if os.path.ismount(shared / "m"):
            _native.umount(str(shared / "m"), 2)
        _native.umount(str(shared), 2)


@pytest.mark.core
@pytest.mark.parametrize("kind", ["bind", "tmpfs"])
@pytest.mark.parametrize("link", ["/../../../..{}", "{}"])
def test_mount_target_that_is_a_link_to_the_host(box, workdir, kind, link):
    """The image has a link where a volume goes; it means a place inside the container, whatever it says."""
    victim = workdir / "victim"
    victim.mkdir()
    (workdir / "upper/data").symlink_to(link.format(victim))
    (workdir / "vol").mkdir()
    mount = (
        bind(workdir / "vol", "/data")
        if kind == "bind"
        else spec.Mount(destination="/data", type="tmpfs", source="tmpfs")
    )
    box.mount(mount)
    result = box.sh("echo in > /data/x; cat /data/x; mount | grep -c victim")
    assert result.output == "in\n1\n"
    assert list(victim.iterdir()) == []
    assert (workdir / "upper").joinpath(*victim.parts[1:]).is_dir()


def test_mount_target_through_links_that_loop(box, workdir):
    (workdir / "upper/a").symlink_to("b")
    (workdir / "upper/b").symlink_to("a")
    (workdir / "vol").mkdir()
    box.mount(bind(workdir / "vol", "/a/x"))
    error = box.run("true").error
    assert error is not None
    assert "on /a/x" in str(error)
    assert "Too many levels of symbolic links" in str(error)


def test_mount_target_behind_a_magic_link(box, workdir):
    """/proc/1/root and the like lead anywhere: never followed."""
    (workdir / "upper/data").symlink_to("/proc/self/root")
    (workdir / "vol").mkdir()
    box.mount(bind(workdir / "vol", "/data/tmp/x"))
    assert "Too many levels" in str(box.run("true").error)


def test_subpath(box, workdir):
    (workdir / "vol/a/b").mkdir(parents=True)
    (workdir / "vol/a/b/f").write_text("deep\n")
    box.mount(bind(workdir / "vol", "/v"))
    box.context = replace(box.context, sources={"/v": MountSource(subpath="a/b")})
    assert box.run("cat", "/v/f").output == "deep\n"


def test_subpath_is_made_like_its_volume(box, workdir):
    (workdir / "vol").mkdir(mode=0o750)
    os.chown(workdir / "vol", 1000, 1001)
    box.mount(bind(workdir / "vol", "/v"))
    box.context = replace(box.context, sources={"/v": MountSource(subpath="new/deep", make_subpath=True)})
    assert box.run("stat", "-c", "%a %u %g", "/v").output == "750 1000 1001\n"
    assert stat.S_IMODE((workdir / "vol/new").stat().st_mode) == 0o750


@pytest.mark.parametrize("target", ["/etc", "../..", "/proc/1/root"])
def test_subpath_cannot_leave_its_volume(box, workdir, target):
    """CVE-2017-1002101, CVE-2021-25741: a link in the volume, put there by another container."""
    (workdir / "vol").mkdir()
    (workdir / "vol/link").symlink_to(target)
    box.mount(bind(workdir / "vol", "/v"))
    box.context = replace(box.context, sources={"/v": MountSource(subpath="link", note="emptyDir cache")})
    error = box.run("true").error
    assert error is not None
    assert str(error).startswith(f"mount emptyDir cache ({workdir}/vol subpath link) on /v")


def test_missing_source_is_named(box, workdir):
    box.mount(bind(workdir / "nothing", "/v"))
    box.context = replace(box.context, sources={"/v": MountSource(note="hostPath data")})
    error = box.run("true").error
    assert str(error) == f"mount hostPath data ({workdir}/nothing) on /v (rbind, rprivate): No such file or directory"


@pytest.mark.parametrize("destination", ["/", "/proc/1/attr", "/proc/../proc/sys/kernel"])
def test_destinations_that_are_refused(box, workdir, destination):
    box.mount(bind(workdir, destination))
    with pytest.raises(LaunchError):
        compile_container(box.spec, box.context)


def test_extra_devices(box):
    box.linux(
        devices=(spec.LinuxDevice(path="/opt/dev/mem", type="c", major=1, minor=1, file_mode=0o640, uid=7, gid=8),)
    )
    assert box.run("stat", "-c", "%t:%T %a %u %g", "/opt/dev/mem").output == "1:1 640 7 8\n"


def test_a_failing_tmpfs_is_named(box):
    box.mount(spec.Mount(destination="/cache", type="tmpfs", source="tmpfs", options=("size=lots",)))
    assert str(box.run("true").error) == "mount tmpfs on /cache (size=lots): Invalid argument"


def test_shm_of_the_pod(box, workdir):
    (workdir / "shm").mkdir()
    box.spec = msgspec.structs.replace(box.spec, mounts=default_mounts(shm=str(workdir / "shm")))
    box.sh("echo shared > /dev/shm/x")
    assert (workdir / "shm/x").read_text() == "shared\n"


@pytest.mark.core
def test_many_layers(box, workdir, busybox_root):
    layers = []
    for i in range(60):
        layer = workdir / f"layer{i:03d}"
        layer.mkdir()
        (layer / "top").write_text(f"{i}\n")
        layers.append(str(layer))
    root = replace(box.context.root, layers=(str(busybox_root), *layers))
    box.context = replace(box.context, root=root)
    assert box.run("cat", "/top").output == "59\n"


def test_many_layers_on_an_older_kernel(box, workdir, busybox_root):
    """Without lowerdir+ the layers are named relative to their common directory, by mount(2)."""
    shutil.copytree(busybox_root, workdir / "base", symlinks=True)
    layers = []
    for i in range(60):
        layer = workdir / f"layer{i:03d}"
        layer.mkdir()
        (layer / "top").write_text(f"{i}\n")
        layers.append(str(layer))
    root = replace(box.context.root, layers=(str(workdir / "base"), *layers))
    old = Features(capabilities=box.context.features.capabilities, overlay_append=False)
    box.context = replace(box.context, root=root, features=old)
    running = box.start("cat", "/top")
    assert any("relative to" in line for line in running.plan.describe())
    assert running.finish().output == "59\n"


@pytest.mark.core
@pytest.mark.parametrize("old", [False, True])
def test_an_overlay_at_the_root_itself(box, old):
    root = replace(box.context.root, mountpoint="/")
    features = replace(box.context.features, overlay_append=box.context.features.overlay_append and not old)
    box.context = replace(box.context, root=root, features=features)
    assert box.sh("ls /bin/busybox && pwd").output == "/bin/busybox\n/\n"
