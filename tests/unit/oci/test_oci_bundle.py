"""What a bundle asks for and does not get is refused by name."""

import json
from pathlib import Path
from typing import Any

import pytest

from pyrt.oci.bundle import load
from pyrt.oci.errors import OciError


def bundle(directory: Path, **fields: Any) -> Path:
    (directory / "rootfs").mkdir()
    config = {
        "ociVersion": "1.2.0",
        "root": {"path": "rootfs"},
        "process": {"cwd": "/", "args": ["true"], "user": {"uid": 0, "gid": 0}, **fields.get("process", {})},
        "linux": fields.get("linux", {}),
    }
    (directory / "config.json").write_text(json.dumps(config))
    return directory


def test_a_bundle(tmp_path: Path) -> None:
    assert load(str(bundle(tmp_path))).rootfs == str(tmp_path / "rootfs")


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("linux.netDevices", {"linux": {"netDevices": {"eth0": {"name": "x"}}}}),
        ("linux.intelRdt", {"linux": {"intelRdt": {"closID": "a"}}}),
        ("linux.memoryPolicy", {"linux": {"memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0"}}}),
        ("process.execCPUAffinity", {"process": {"execCPUAffinity": {"initial": "0"}}}),
    ],
)
def test_what_is_not_supported(tmp_path: Path, field: str, fields: dict[str, Any]) -> None:
    with pytest.raises(OciError, match=f"{field}: not supported"):
        load(str(bundle(tmp_path, **fields)))
