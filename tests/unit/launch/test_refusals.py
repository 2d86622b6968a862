"""What a spec may not ask for is refused by name, before anything happens."""

from __future__ import annotations

import pytest

from pyrt import spec
from pyrt.launch import ContainerContext, DirectoryRoot, LaunchError, MountSource, OverlayRoot, compile_container
from pyrt.launch.features import Features

CONTEXT = ContainerContext(DirectoryRoot("/rootfs"))


def container(mounts=(), namespaces=("mount",), hostname="", process=None, **linux):
    kinds = tuple(spec.LinuxNamespace(type=kind) for kind in namespaces)
    return spec.Config(
        process=process or spec.Process(args=("true",)),
        mounts=mounts,
        hostname=hostname,
        linux=spec.Linux(namespaces=kinds, **linux),
    )


def bind(destination, source="/src"):
    return spec.Mount(destination=destination, type="bind", source=source, options=("rbind",))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (container(namespaces=("mount", "mount")), "named twice"),
        (container(namespaces=("user",)), "needs a mount namespace of its own"),
        (container(namespaces=("mount", "user")), "linux.uidMappings: a user namespace needs mappings"),
        (container(hostname="x"), "UTS namespace"),
        (container(mounts=(bind("/"),)), "may not cover the root"),
        (container(mounts=(bind("/proc/sys/kernel"),)), "inside /proc"),
        (container(mounts=(bind("/x", "relative"),)), "not an absolute path"),
        (container(mounts=(spec.Mount(destination="/x"),)), "needs a type"),
        (container(rootfs_propagation="sideways"), "linux.rootfsPropagation"),
        (container(sysctl={"net/../../x": "1"}), "sysctl net/../../x"),
        (container(devices=(spec.LinuxDevice(path="/dev/x", type="z"),)), "device /dev/x"),
        (container(process=spec.Process()), "process.args"),
        (container(process=spec.Process(args=("x",), oom_score_adj=1001)), "process.oomScoreAdj"),
        (container(process=spec.Process(args=("x",), terminal=True)), "process.terminal"),
        (container(process=spec.Process(args=("x",), apparmor_profile="p")), "apparmor profile p"),
        (
            container(
                process=spec.Process(args=("x",), rlimits=(spec.PosixRlimit(type="RLIMIT_FUN", soft=1, hard=1),))
            ),
            "process.rlimits RLIMIT_FUN",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refused(config, message):
    with pytest.raises(LaunchError, match=message):
        compile_container(config, CONTEXT)


@pytest.mark.parametrize("subpath", ["../x", "/etc", "a/../../b"])
def test_subpaths_that_climb(subpath):
    context = ContainerContext(DirectoryRoot("/rootfs"), sources={"/x": MountSource(subpath=subpath)})
    with pytest.raises(LaunchError, match="subPath"):
        compile_container(container(mounts=(bind("/x"),)), context)


def test_too_many_layers():
    root = OverlayRoot(tuple(f"/l/{i}" for i in range(501)), "/u", "/w", "/")
    with pytest.raises(LaunchError, match="501 layers"):
        compile_container(container(), ContainerContext(root))


def test_names_of_layers_that_do_not_fit_an_older_kernel():
    root = OverlayRoot(tuple(f"/l/{'x' * 60}{i}" for i in range(100)), "/u", "/w", "/")
    with pytest.raises(LaunchError, match="do not fit a page"):
        compile_container(container(), ContainerContext(root, features=Features(overlay_append=False)))
