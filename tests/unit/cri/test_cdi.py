"""CDI: from spec files to what is in a container's configuration."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pyrt.cri.cdi import asked_by, resolve, with_devices
from pyrt.cri.errors import CriError
from pyrt.ids import Digest, ImageId
from pyrt.images.types import Image, ImageConfig
from pyrt.runtime.config import ContainerConfig, ContainerSecurity, Propagation

IMAGE = Image(ImageId("sha256:0"), Digest("sha256:1"), (), (), 0, ImageConfig(), ())
PLAIN = ContainerConfig("app", 0, IMAGE, "app", Path(), env=(("A", "own"),))


def spec(directory: Path, name: str = "vendor.json", **edit: object) -> None:
    directory.mkdir(exist_ok=True)
    device = {"name": "one", "containerEdits": {"env": ["DEVICE=one"]}}
    data = {"cdiVersion": "1.0.0", "kind": "vendor.com/gpu", "devices": [device], **edit}
    (directory / name).write_text(json.dumps(data))


def injected(directory: Path, **edits: object) -> ContainerConfig:
    spec(directory, devices=[{"name": "one", "containerEdits": edits}])
    return with_devices(PLAIN, resolve(["vendor.com/gpu=one"], [directory]))


def test_names_come_from_the_field_and_from_annotations_each_once() -> None:
    annotations = {"cdi.k8s.io/plugin": "vendor.com/gpu=two,vendor.com/gpu=one", "other": "x"}
    assert asked_by(["vendor.com/gpu=one"], annotations) == ("vendor.com/gpu=two", "vendor.com/gpu=one")


@pytest.mark.parametrize("name", ["gpu=one", "vendor.com/gpu", "vendor.com/gpu=", "vendor.com/gpu=../x", "1v/c=d"])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(CriError, match="expected vendor/class=name"):
        asked_by([name], {})


def test_edits_of_the_file_come_once_and_first(tmp_path: Path) -> None:
    devices = [{"name": name, "containerEdits": {"env": [f"D{name}=1"]}} for name in ("a", "b")]
    spec(tmp_path, devices=devices, containerEdits={"env": ["ALL=1", "A=vendor"]})
    names = ["vendor.com/gpu=b", "vendor.com/gpu=a"]
    config = with_devices(PLAIN, resolve(names, [tmp_path]))
    assert config.env == (("A", "own"), ("ALL", "1"), ("A", "vendor"), ("Db", "1"), ("Da", "1"))


def test_yaml(tmp_path: Path) -> None:
    (tmp_path / "v.yaml").write_text(
        "cdiVersion: 0.6.0\nkind: v/c\ndevices: [{name: d, containerEdits: {env: [X=1]}}]\n"
    )
    assert resolve(["v/c=d"], [tmp_path])[1].env == ("X=1",)


def test_a_later_directory_wins_and_two_files_of_one_are_a_conflict(tmp_path: Path) -> None:
    low, high = tmp_path / "etc", tmp_path / "run"
    spec(low)
    spec(high, devices=[{"name": "one", "containerEdits": {"env": ["DEVICE=later"]}}])
    assert resolve(["vendor.com/gpu=one"], [low, high])[1].env == ("DEVICE=later",)
    spec(high, "again.json")
    with pytest.raises(CriError, match="several files have it"):
        resolve(["vendor.com/gpu=one"], [low, high])


def test_a_device_that_no_file_has(tmp_path: Path) -> None:
    with pytest.raises(CriError, match=r"vendor\.com/gpu=one: unresolvable: no spec file has it$"):
        resolve(["vendor.com/gpu=one"], [tmp_path / "absent", tmp_path])


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        ({"cdiVersion": "9.0.0"}, "cdiVersion '9.0.0' is not known"),
        ({"kind": "gpu"}, "is no vendor/class"),
        ({"containerEdits": {"teleport": True}}, "teleport"),
        ({"devices": [{"name": "a/b"}]}, "cannot be a device's name"),
    ],
)
def test_a_file_that_is_wrong_is_named(tmp_path: Path, edit: dict[str, object], problem: str) -> None:
    spec(tmp_path, **edit)
    with pytest.raises(CriError, match=problem):
        resolve(["vendor.com/gpu=one"], [tmp_path])


def test_mounts(tmp_path: Path) -> None:
    mount = {"hostPath": "/lib", "containerPath": "/lib", "options": ["ro", "nosuid", "rbind", "rslave"]}
    (found,) = injected(tmp_path, mounts=[mount]).mounts
    assert (found.host_path, found.readonly, found.options) == (Path("/lib"), True, ("nosuid",))
    assert found.propagation is Propagation.HOST_TO_CONTAINER
    assert not found.make_host_path


def test_device_nodes(tmp_path: Path) -> None:
    nodes = [
        {"path": "/dev/gpu0", "hostPath": "/dev/null"},
        {"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 384, "permissions": "rw", "uid": 5},
    ]
    first, second = injected(tmp_path, deviceNodes=nodes).devices
    assert (first.container_path, first.host_path, first.type, first.permissions) == (
        "/dev/gpu0", Path("/dev/null"), "", "rwm",
    )  # fmt: skip
    assert (second.type, second.major, second.minor, second.file_mode, second.uid) == ("c", 10, 229, 0o600, 5)


def test_groups_of_a_device_are_the_containers_but_never_roots(tmp_path: Path) -> None:
    assert injected(tmp_path, additionalGids=[0, 44, 44]).security == ContainerSecurity(supplemental_groups=(44,))
    with pytest.raises(CriError, match="out of range"):
        injected(tmp_path, additionalGids=[1 << 32])


@pytest.mark.parametrize(
    "edits",
    [
        {"hooks": [{"hookName": "createContainer", "path": "/usr/bin/nvidia-ctk"}]},
        {"netDevices": [{"hostInterfaceName": "eth1", "name": "eth1"}]},
        {"intelRdt": {"closID": "x"}},
        {"mounts": [{"hostPath": "tmpfs", "containerPath": "/t", "type": "tmpfs"}]},
        {"mounts": [{"hostPath": "/t", "containerPath": "/t", "options": ["size=1m"]}]},
    ],
)
def test_what_is_refused_rather_than_left_out(tmp_path: Path, edits: dict[str, object]) -> None:
    with pytest.raises(CriError, match="not supported"):
        injected(tmp_path, **edits)
