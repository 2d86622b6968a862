"""fsGroup, huge pages and usage, as far as they can be had without containers."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pyrt.kube.container import Container
from pyrt.kube.pod import Pod, PodSpec
from pyrt.kube.resources import ResourceRequirements
from pyrt.kube.security import PodSecurityContext
from pyrt.volumes.errors import UnsupportedVolumeError, VolumeError
from pyrt.volumes.finish import finish, is_unfinished
from pyrt.volumes.huge_pages import page_size
from pyrt.volumes.ownership import mismatch
from pyrt.volumes.types import PreparedVolume
from pyrt.volumes.usage import VolumeUsage, usage

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files away")
GROUP = 4242


def pod(policy=None, **resources):
    security = PodSecurityContext(fs_group=GROUP, fs_group_change_policy=policy)
    containers = [Container(name="a", resources=ResourceRequirements(requests=resources))]
    return Pod(spec=PodSpec(security_context=security, containers=containers))


def found(path, **more):
    return PreparedVolume("data", "persistentVolumeClaim", path, takes_group=True, **more)


@as_root
def test_the_group_is_given_once(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    (top / "file").touch(0o600)
    finish(found(top), pod(), tmp_path / "pod")
    assert (top / "file").stat().st_gid == GROUP
    os.chown(top / "file", 0, 0)
    finish(found(top), pod(), tmp_path / "pod")
    assert (top / "file").stat().st_gid == 0


@as_root
def test_on_root_mismatch(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    (top / "file").touch()
    os.chown(top, -1, GROUP)
    top.chmod(0o2770)
    finish(found(top), pod("OnRootMismatch"), tmp_path / "one")
    assert (top / "file").stat().st_gid == 0
    top.chmod(0o770)
    finish(found(top), pod("OnRootMismatch"), tmp_path / "two")
    assert (top / "file").stat().st_gid == GROUP


def test_what_a_mismatch_is(tmp_path: Path) -> None:
    gid = tmp_path.stat().st_gid
    for mode, readonly, wrong in (
        (0o2770, False, False),
        (0o2750, False, True),
        (0o2750, True, False),
        (0o770, True, True),
    ):
        tmp_path.chmod(mode)
        assert mismatch(tmp_path, gid, readonly=readonly) == wrong
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o770
    assert mismatch(tmp_path, gid + 1, readonly=True)


def test_nothing_to_do_for_what_takes_no_group(tmp_path: Path) -> None:
    assert not is_unfinished(PreparedVolume("data", "hostPath", tmp_path), pod())
    assert is_unfinished(found(tmp_path), pod())
    assert not is_unfinished(found(tmp_path), Pod())


def test_a_path_that_is_not_what_it_must_be(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match="is not a directory"):
        finish(found(tmp_path / "nothing", must_be="Directory"), Pod(), tmp_path)


def test_which_huge_pages_are_meant() -> None:
    assert page_size("v", "Memory", pod()) == 0
    assert page_size("v", "HugePages", pod(**{"hugepages-2Mi": "4Mi"})) == 2 << 20
    assert page_size("v", "HugePages-1Gi", pod(**{"hugepages-1Gi": "1Gi", "hugepages-2Mi": "2Mi"})) == 1 << 30
    with pytest.raises(VolumeError, match="asks for several"):
        page_size("v", "HugePages", pod(**{"hugepages-1Gi": "1Gi", "hugepages-2Mi": "2Mi"}))
    with pytest.raises(VolumeError, match="no container of the pod asks for hugepages-2Mi"):
        page_size("v", "HugePages-2Mi", pod())
    with pytest.raises(UnsupportedVolumeError):
        page_size("v", "HugePages-many", pod())


def test_usage_of_what_is_no_directory(tmp_path: Path) -> None:
    assert usage(tmp_path / "nothing") == VolumeUsage(0, 0)
    (tmp_path / "file").write_bytes(b"x" * 10_000)
    assert usage(tmp_path / "file") == VolumeUsage((tmp_path / "file").stat().st_blocks * 512, 1)
