"""emptyDir: a directory of the pod, or a tmpfs that the pod process mounts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyrt.kube.volumes import EmptyDirVolumeSource, Volume
from pyrt.volumes import UnsupportedVolumeError, VolumeContext, VolumeError, plan, prepare, teardown


@pytest.fixture
def context(tmp_path: Path) -> VolumeContext:
    return VolumeContext("uid-1", tmp_path / "pods" / "uid-1" / "volumes")


def empty_dir(**source: str) -> Volume:
    return Volume(name="cache", empty_dir=EmptyDirVolumeSource(**source))


def test_is_a_directory_that_everyone_may_write_to(context: VolumeContext) -> None:
    old = os.umask(0o077)
    try:
        prepared = prepare(empty_dir(), context)
    finally:
        os.umask(old)
    assert prepared.path == context.directory / "cache"
    assert prepared.path.stat().st_mode & 0o7777 == 0o777
    assert prepared.tmpfs is None
    assert prepared.description == "emptyDir cache"


def test_content_survives_a_second_prepare(context: VolumeContext) -> None:
    prepare(empty_dir(), context).path.joinpath("kept").write_text("x")
    assert prepare(empty_dir(), context).path.joinpath("kept").read_text() == "x"


def test_memory_is_a_tmpfs_of_the_limits_size(context: VolumeContext) -> None:
    prepared = prepare(empty_dir(medium="Memory", size_limit="64Mi"), context)
    assert prepared.tmpfs is not None
    assert (prepared.tmpfs.size, prepared.tmpfs.mode) == (64 * 1024 * 1024, 0o777)


def test_memory_without_a_limit(context: VolumeContext) -> None:
    prepared = prepare(empty_dir(medium="Memory"), context)
    assert prepared.tmpfs is not None
    assert prepared.tmpfs.size is None


def test_a_limit_on_disk_is_recorded_for_eviction(context: VolumeContext) -> None:
    assert prepare(empty_dir(size_limit="1Gi"), context).size_limit == 1 << 30


def test_other_media_are_refused_by_name(context: VolumeContext) -> None:
    with pytest.raises(UnsupportedVolumeError, match=r"volume cache: emptyDir.medium Disk: no such medium"):
        prepare(empty_dir(medium="Disk"), context)


def test_plan_touches_nothing(context: VolumeContext) -> None:
    assert plan(empty_dir(), context).path == context.directory / "cache"
    assert not context.directory.exists()


def test_teardown_removes_what_containers_wrote(context: VolumeContext, tmp_path: Path) -> None:
    outside = tmp_path / "host-file"
    outside.write_text("the host's")
    root = prepare(empty_dir(), context).path
    (root / "deep" / "er").mkdir(parents=True)
    (root / "deep" / "link").symlink_to(outside)
    (root / "dirlink").symlink_to(tmp_path)
    teardown(empty_dir(), context)
    assert not root.exists()
    assert outside.read_text() == "the host's"


def test_teardown_of_nothing_is_fine(context: VolumeContext) -> None:
    teardown(empty_dir(), context)


def test_a_symbolic_link_in_its_place_is_refused(context: VolumeContext, tmp_path: Path) -> None:
    context.directory.mkdir(parents=True)
    (context.directory / "cache").symlink_to(tmp_path)
    with pytest.raises(VolumeError, match=r"volume cache: create emptyDir .*: File exists"):
        prepare(empty_dir(), context)


def test_a_volume_without_a_source_is_an_empty_dir(context: VolumeContext) -> None:
    assert prepare(Volume(name="plain"), context).kind == "emptyDir"
