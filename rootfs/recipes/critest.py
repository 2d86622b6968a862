"""What critest runs, under the names that its sources have, from Debian's busybox (built from source) and nginx."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rootfs import source
from rootfs.layer import Layer
from rootfs.layout import Image
from rootfs.recipes import busybox, nginx

if TYPE_CHECKING:
    from rootfs.build import Kit

_E2E = "registry.k8s.io/e2e-test-images"
_CRI_TOOLS = "gcr.io/k8s-staging-cri-tools"
_USERS = {
    "uid": "1002",
    "username": "www-data",
    "uid-group": "1003:1004",
    "username-group": "www-data:1004",
}
_PROGRAMS = Path(__file__).parent.parent / "programs"

MIRRORED = ("registry.k8s.io", "k8s.gcr.io", "gcr.io")
"""The registries of these images."""


def build(kit: Kit) -> None:
    """All of them. One spec asks for test-image-digest by a sha256 that nobody can build again: that one is missing."""
    layout = kit.layout
    path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    base = busybox.layer(kit, source.busybox(kit.cache / "programs"))
    shell = {"Cmd": ["sh"], "Env": [path]}

    def named(image: Image, *names: str) -> None:
        layout.name(layout.image(image), *names)

    def test(name: str, *tags: str) -> None:
        """An image that no other one equals."""
        marked = Layer().file(name, f"{name}\n")
        named(Image([base, marked], shell), *(f"{_CRI_TOOLS}/{name}:{tag}" for tag in tags))

    named(Image([base], shell), f"{_E2E}/busybox:1.29-2")
    named(nginx.image(kit, base), f"{_E2E}/nginx:1.14-2")
    named(nginx.image(kit, base, 12003), f"{_CRI_TOOLS}/hostnet-nginx-{kit.architecture}:latest")
    # As Apache's does, its log begins with the program's name.
    serve = ["sh", "-c", "echo httpd: listening on port 80; exec httpd -f -v -p 80 -h /htdocs"]
    page = Layer().directory("htdocs").file("htdocs/index.html", "<html><body><h1>It works!</h1></body></html>\n")
    named(Image([base, page], {"Cmd": serve, "Env": [path]}), f"{_E2E}/httpd:2.4.39-4")
    asks = Layer().file("nnp", source.compile_static(kit.cache / "programs", _PROGRAMS / "nonewprivs.c").read_bytes())
    asks.entries[-1][0].mode = 0o4755
    named(Image([base, asks], {"Entrypoint": ["/nnp"], "Env": [path]}), f"{_E2E}/nonewprivs:1.3")

    pause = source.compile_static(kit.cache / "programs", _PROGRAMS / "pause.c").read_bytes()
    sandbox = Layer().file("pause", pause, 0o755)
    config = {"Entrypoint": ["/pause"], "User": "65535:65535", "Env": [path]}
    named(Image([sandbox], config), "registry.k8s.io/pause:3.9", "k8s.gcr.io/pause:3.9")
    # For runtimes that need an image for the sandbox itself: critest counts the tags of 3.9 and removes it.
    named(Image([sandbox], {**config, "Labels": {"version": "3.6"}}), "registry.k8s.io/pause:3.6")

    for name, user in _USERS.items():
        named(Image([base], {**shell, "User": user}), f"{_CRI_TOOLS}/test-image-user-{name}:latest")
    accounts = Layer().directory("etc").file("etc/passwd", busybox.PASSWD + "default-user:x:1000:1000::/home:/bin/sh\n")
    groups = "default-user:x:1000:\ngroup-defined-in-image:x:50000:default-user\n"
    accounts.file("etc/group", busybox.GROUP + groups)
    named(Image([base, accounts], {**shell, "User": "1000"}), f"{_CRI_TOOLS}/test-image-predefined-group:latest")

    for name in ("test-image-latest", "test-image-1", "test-image-2", "test-image-3"):
        test(name, "latest")
    test("test-image-tag", "test", "all")
    test("test-image-tags", "1", "2", "3")
