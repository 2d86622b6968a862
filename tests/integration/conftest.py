"""What integration tests share: an instance of pyrt that meets no other, and a root directory to run things in.

These tests need root and a real kernel. Each file is one subject; each test is a base, one edit, one observation.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyrt.config import Config, for_instance

APPLETS = (
    "sh ash ls cat echo true false sleep id env pwd head tail wc seq grep stat mount umount touch mkdir rm ln cp mv "
    "ps kill hostname nslookup wget nc ip dd test printf yes tr cut sort readlink tty stty date sync chmod chown mknod "
    "setsid sed awk find df free uname httpd od md5sum sha256sum"
).split()


@pytest.fixture(scope="session", autouse=True)
def _as_root() -> None:
    if os.geteuid() != 0:
        pytest.exit("integration tests need root", returncode=2)


@pytest.fixture
def workdir() -> Iterator[Path]:
    """A directory with a short path (unix socket names are bounded), on /var/tmp or, in the test machine, /tmp."""
    base = "/tmp" if os.environ.get("PYRT_TEST_VM") else "/var/tmp"
    path = Path(tempfile.mkdtemp(prefix="pyrt-t-", dir=base))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def instance(workdir: Path, request: pytest.FixtureRequest) -> Config:
    """A configuration whose paths, addresses, cgroup parent, interface prefix and nft table are this test's own."""
    return for_instance(workdir, request.node.name)


@pytest.fixture(scope="session")
def busybox_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root directory with a static busybox and the usual account files; shared, so never written to."""
    root = tmp_path_factory.mktemp("busybox") / "rootfs"
    for name in ("bin", "proc", "sys", "dev", "tmp", "etc", "root", "var/tmp"):
        (root / name).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    root.chmod(0o755)
    shutil.copy("/bin/busybox", root / "bin/busybox")
    for applet in APPLETS:
        (root / "bin" / applet).symlink_to("busybox")
    (root / "etc/passwd").write_text(
        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\napp:x:1000:1000:app:/tmp:/bin/sh\n"
    )
    (root / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\napp:x:1000:\nextra:x:2000:app\n")
    return root
