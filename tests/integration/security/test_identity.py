"""Who a process is: groups, capabilities, account files of hostile images."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyrt.runtime.config import ContainerSecurity
from pyrt.runtime.errors import CreateError, InvalidConfigError
from tests.integration.runtime.conftest import Host


def field(text: str, name: str) -> list[str]:
    return next(line for line in text.splitlines() if line.startswith(name)).split()[1:]


@pytest.mark.core
@pytest.mark.parametrize(
    ("security", "user", "groups"),
    [
        ({}, "", {"0"}),
        ({}, "app", {"1000", "2000"}),
        ({"run_as_user": 1000, "run_as_group": 3000}, "", {"3000", "2000"}),
        ({"run_as_user": 1000, "run_as_group": 3000, "supplemental_groups": (7,)}, "", {"3000", "2000", "7"}),
        ({"run_as_user": 5, "run_as_group": 6, "supplemental_groups_policy": "Strict"}, "", {"6"}),
    ],
)
async def test_the_primary_group_is_among_the_additional_ones(
    host: Host, security: dict[str, object], user: str, groups: set[str]
) -> None:
    """containerd CVE-2023-25173, CRI-O CVE-2022-2995, podman CVE-2022-2989, moby CVE-2022-36109: a set-group-ID
    program gets rid of the primary group, and of what files deny to it, unless it is an additional one too.
    """
    status = await host.prints(
        "cat",
        "/proc/self/status",
        image=host.image(user=user),
        security=ContainerSecurity(**security),  # type: ignore[arg-type]
    )
    assert set(field(status, "Groups:")) == groups
    sandbox = await host.runtime.run_sandbox(host.sandbox())
    container = await host.start(
        sandbox.id,
        "sleep",
        "1000",
        image=host.image(user=user),
        security=ContainerSecurity(**security),  # type: ignore[arg-type]
    )
    assert set(field(await host.inside(container, "cat", "/proc/self/status"), "Groups:")) == groups


@pytest.mark.core
async def test_nothing_is_inheritable(host: Host) -> None:
    """runc CVE-2022-29162, moby CVE-2022-24769, CRI-O CVE-2022-27652, podman CVE-2022-27649: inheritable capabilities
    come back with a program whose file has them.
    """
    sandbox = await host.runtime.run_sandbox(host.sandbox())
    for number, uid in enumerate((None, 1000)):
        security = ContainerSecurity(run_as_user=uid, add_capabilities=("NET_ADMIN",))
        container = await host.start(sandbox.id, "sleep", "1000", name=f"c{number}", security=security)
        for status in (
            await host.inside(container, "cat", "/proc/1/status"),
            await host.inside(container, "cat", "/proc/self/status"),
        ):
            assert field(status, "CapInh:") == field(status, "CapAmb:") == ["0" * 16]


@pytest.mark.parametrize("kind", ["fifo", "device", "link", "loop", "directory", "endless", "huge", "binary"])
async def test_hostile_account_files(host: Host, workdir: Path, kind: str) -> None:
    """containerd CVE-2021-43816's neighbours and moby's reading of /etc/passwd: it may block for ever, be the host's
    file through a link, take all memory, or be no text. It is refused, or it is just an image without that user.
    """
    layer = workdir / "layer"
    (layer / "etc").mkdir(parents=True)
    path = layer / "etc/passwd"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        os.mknod(path, 0o020666, os.makedev(1, 5))
    elif kind == "link":
        path.symlink_to("../../../../../../../../etc/passwd")
    elif kind == "loop":
        path.symlink_to("passwd")
    elif kind == "directory":
        path.mkdir()
    elif kind == "endless":
        path.symlink_to("/proc/self/fd/0")
    elif kind == "huge":
        with path.open("wb") as file:
            file.truncate(1 << 40)
    else:
        path.write_bytes(os.urandom(4096) + b"\nroot:x:99999999999999999999:0\n::::\n")
    with pytest.raises(CreateError, match=r"passwd|no such user"):
        await host.run("id", image=host.image(layer, user="daemon"))


@pytest.mark.parametrize("user", ["-1", "4294967295", "4294967296", "0x0", " 0", "+0", "0\n", "root:nosuch", "\u0660"])
async def test_odd_users(host: Host, user: str) -> None:
    """containerd CVE-2024-40635: a number beyond the range wraps to 0, so that runAsNonRoot is passed by."""
    with pytest.raises(CreateError):
        await host.run("id", image=host.image(user=user), security=ContainerSecurity(run_as_non_root=True))


async def test_a_user_whose_name_is_a_number(host: Host, workdir: Path) -> None:
    """runc CVE-2016-3697: an entry of /etc/passwd named 1000 with uid 0 made USER 1000 root."""
    layer = workdir / "layer"
    (layer / "etc").mkdir(parents=True)
    (layer / "etc/passwd").write_text("1000:x:0:0::/:/bin/sh\n")
    (layer / "etc/group").write_text("1000:x:0:\n")
    for image, security in (
        (host.image(layer, user="1000:1000"), ContainerSecurity()),
        (host.image(layer), ContainerSecurity(run_as_user=1000, run_as_group=1000)),
    ):
        output = await host.prints("sh", "-c", "id -u; id -g", image=image, security=security)
        assert output.split() == ["1000", "1000"]


async def test_root_by_another_name(host: Host, workdir: Path) -> None:
    """runAsNonRoot looks at the number, not at the name the image gives it."""
    layer = workdir / "layer"
    (layer / "etc").mkdir(parents=True)
    (layer / "etc/passwd").write_text("harmless:x:0:0::/:/bin/sh\n")
    with pytest.raises(InvalidConfigError, match="image will run as root"):
        await host.run("id", image=host.image(layer, user="harmless"), security=ContainerSecurity(run_as_non_root=True))


async def test_a_set_user_id_program_with_no_new_privileges(host: Host, workdir: Path, weapons: Path) -> None:
    """allowPrivilegeEscalation: false."""
    layer = workdir / "layer"
    (layer / "bin").mkdir(parents=True)
    (layer / "bin/attack").write_bytes((weapons / "bin/attack").read_bytes())
    (layer / "bin/attack").chmod(0o4755)
    for protected, expected in ((True, "1000"), (False, "0")):
        security = ContainerSecurity(run_as_user=1000, no_new_privileges=protected)
        assert await host.prints("attack", "uid", image=host.image(layer), security=security) == expected


async def test_volumes_of_the_image(host: Host, workdir: Path) -> None:
    """containerd CVE-2022-23648: what lies under the paths of VOLUME was copied out of the image through its links,
    and so from the host. Here VOLUME makes nothing, and nothing is copied.
    """
    layer = workdir / "layer"
    layer.mkdir()
    (layer / "link").symlink_to("/root")
    image = host.image(layer, volumes=("/link/../../../../../../../../etc", "/proc/self/root/etc"))
    assert await host.prints("sh", "-c", "ls -A /link/ /etc; grep -c /etc /proc/self/mountinfo", image=image) == (
        "/etc:\ngroup\nhostname\nhosts\npasswd\nresolv.conf\n\n/link/:\n3"
    )
