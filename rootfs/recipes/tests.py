"""Small images, each with one property that the tests look for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rootfs.layer import Layer
from rootfs.layout import Image
from rootfs.recipes import busybox

if TYPE_CHECKING:
    from rootfs.build import Kit

_KINDS = (
    "layers",
    "user",
    "username",
    "nonroot",
    "entrypoint",
    "stopsignal",
    "platforms",
    "foreign",
    "zstd",
    "plain",
    "volume",
)
NAMES = tuple(f"docker.io/pyrt/{kind}:latest" for kind in _KINDS)


def _layers() -> list[Layer]:
    """What each upper layer does to the ones below is visible in /data."""
    lowest = Layer().directory("data").directory("data/opaque").directory("data/gone").directory("sticky", 0o1777)
    lowest.file("data/kept", "lowest\n").file("data/replaced", "old\n").file("data/removed", "x\n")
    lowest.file("data/opaque/hidden", "x\n").file("data/gone/inner", "x\n").file("data/turned-dir", "x\n")
    lowest.hardlink("data/kept-too", "data/kept").fifo("data/fifo").device("data/null", 1, 3)
    lowest.file("data/suid", "x", 0o4755).file("data/owned", "x", 0o640, 1000, 1000).symlink("data/link", "/etc/passwd")
    lowest.file("data/with-attribute", "x").xattr("user.pyrt", "yes")
    middle = Layer().directory("data").file("data/replaced", "new\n").whiteout("data/removed").whiteout("data/gone")
    middle.directory("data/opaque").opaque("data/opaque").file("data/opaque/shown", "y\n")
    # A directory that this layer has no entry for: its mode is the lower layer's.
    middle.file("sticky/note", "z\n")
    upper = Layer().directory("data").whiteout("data/turned-dir").directory("data/turned-dir")
    upper.file("data/turned-dir/inner", "w\n").directory("data/gone").file("data/gone/again", "v\n")
    return [lowest, middle, upper]


def build(kit: Kit) -> None:
    """All of them, on the busybox layer."""
    layout, base = kit.layout, busybox.layer(kit)
    path = {"Env": ["PATH=/bin:/usr/bin"], "Cmd": ["sh"]}

    def image(kind: str, layers: list[Layer], compression: str = "gzip", **config: object) -> None:
        layout.name(layout.image(Image(layers, {**path, **config}, compression)), f"docker.io/pyrt/{kind}:latest")

    image("layers", [base, *_layers()])
    image("user", [base], User="1002")
    image("username", [base], User="www-data")
    image("nonroot", [base], User="65532:65532", WorkingDir="/home")
    image("entrypoint", [base], Entrypoint=["/bin/echo", "entry"], Cmd=["point"], WorkingDir="/var/www")
    image("stopsignal", [base], StopSignal="SIGUSR1", Env=["PATH=/bin", "GREETING=hello"])
    image("volume", [base], Volumes={"/data": {}}, Labels={"org.example.kind": "volume"})
    image("zstd", [base, *_layers()], "zstd")
    image("plain", [base, *_layers()], "none")
    own = layout.image(Image([base, Layer().file("platform", f"{kit.architecture}\n")], path))
    other = "arm64" if kit.architecture != "arm64" else "amd64"
    foreign = layout.image(Image([Layer().file("platform", f"{other}\n")], path, architecture=other))
    entries = [
        {**foreign, "platform": {"architecture": other, "os": "linux"}},
        {**own, "platform": {"architecture": kit.architecture, "os": "linux"}},
    ]
    layout.name(layout.index(entries), "docker.io/pyrt/platforms:latest")
    layout.name(layout.index(entries[:1]), "docker.io/pyrt/foreign:latest")
