"""busybox: Debian's static one, with a link for each applet. One layer, as upstream's image.

critest needs more applets than Debian compiles in, and a shell that executes them: its image is built from Debian's
busybox source, by the recipe critest.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from rootfs.layer import Layer
from rootfs.layout import Image

if TYPE_CHECKING:
    from pathlib import Path

    from rootfs.build import Kit

NAMES = ("docker.io/library/busybox:latest", "docker.io/library/busybox:1.28")

PASSWD = """\
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
bin:x:2:2:bin:/bin:/bin/false
sys:x:3:3:sys:/dev:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
nobody:x:65534:65534:nobody:/home:/bin/false
"""
GROUP = """\
root:x:0:
daemon:x:1:
bin:x:2:
sys:x:3:
tty:x:5:
www-data:x:33:
nogroup:x:65534:
"""


def layer(kit: Kit, program: Path | None = None) -> Layer:
    """The file system, around another static busybox if one is given."""
    program = program or kit.packages("busybox-static") / "bin/busybox"
    applets = subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout.split()
    made = Layer()
    for path in ("bin", "dev", "etc", "home", "proc", "sys", "usr", "usr/bin", "usr/sbin", "var", "var/www", "run"):
        made.directory(path)
    made.directory("root", 0o700).directory("tmp", 0o1777).directory("var/tmp", 0o1777).symlink("sbin", "bin")
    made.file("bin/busybox", program.read_bytes(), 0o755)
    for applet in sorted(set(applets) - {"busybox"}):
        made.hardlink(f"bin/{applet}", "bin/busybox")
    made.symlink("usr/bin/env", "../../bin/env")
    made.file("etc/passwd", PASSWD).file("etc/group", GROUP).file("etc/shadow", "root:*:::::::\n", 0o640)
    made.file("etc/nsswitch.conf", "hosts: files dns\n").file("etc/localtime", b"")
    return made


def build(kit: Kit) -> None:
    """One image, two tags."""
    path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    kit.layout.name(kit.layout.image(Image([layer(kit)], {"Cmd": ["sh"], "Env": [path]})), *NAMES)
