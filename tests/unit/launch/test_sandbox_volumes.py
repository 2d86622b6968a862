"""What a sandbox mounts for its containers' volumes."""

from __future__ import annotations

import pytest

from pyrt.launch import SandboxContext, Tmpfs, compile_sandbox
from pyrt.launch import constants as k
from pyrt.launch.errors import LaunchError
from pyrt.launch.features import Features
from pyrt.launch.sandbox import Layered

NEW, OLD = Features(), Features(overlay_append=False)


def mounts(features=NEW, **volumes):
    plan = compile_sandbox(SandboxContext(k.CLONE_NEWNS, features=features, **volumes))
    return [line.strip().partition("  ")[2] or line for line in plan.describe() if " on /v/" in line]


def test_memory_of_a_group():
    (line,) = mounts(tmpfs=(Tmpfs("/v/m", 4096, 0o2777, gid=5),))
    assert line.endswith("mount tmpfs on /v/m (nosuid, nodev, mode=2777, size=4096, gid=5)")


def test_huge_pages():
    (line,) = mounts(tmpfs=(Tmpfs("/v/h", None, 0o777, huge_pages=2 << 20),))
    assert line.endswith("mount hugetlbfs on /v/h (nosuid, nodev, mode=777, pagesize=2097152)")


def test_layers_of_an_image():
    """The top layer first; the mount point below all of them, because overlayfs wants two."""
    (line,) = mounts(layered=(Layered("/v/i", ("/l/base", "/l/top")),))
    assert "(ro, nosuid, nodev, lowerdir+=/l/top, lowerdir+=/l/base, lowerdir+=/v/i)" in line


def test_layers_on_an_older_kernel():
    (line,) = mounts(OLD, layered=(Layered("/v/i", ("/l/a:b", "/l/top")),))
    assert "(lowerdir=/l/top:/l/a\\:b:/v/i)" in line


@pytest.mark.parametrize(("features", "count"), [(NEW, 500), (OLD, 300)])
def test_more_layers_than_overlayfs_takes(features, count):
    layers = tuple(f"/l/{number:012}" for number in range(count))
    with pytest.raises(LaunchError, match=r"mount overlay on /v/i: .*layers"):
        mounts(features, layered=(Layered("/v/i", layers),))
