"""``pyrt-oci features``."""

from __future__ import annotations

import sys

from pyrt import quickjson
from pyrt.oci.flags import Options
from pyrt.oci.main import VERSION_OF_SPEC, Global, exactly

USAGE = ""
FLAGS: tuple[str, ...] = ()

_UNSAFE = ("bundle", "org.systemd.property.", "org.criu.config")


def run(global_: Global, options: Options, words: list[str]) -> int:
    """Print what this runtime understands (features.md, features-linux.md), from the tables that it reads with."""
    del global_, options
    exactly(words, 0, USAGE)
    sys.stdout.write(quickjson.dumps(document(), "    ") + "\n")
    return 0


def document() -> dict[str, object]:
    """The document. What depends on the machine is in it if pyrt-oci knows how, whatever this machine has."""
    from pyrt import __version__
    from pyrt.launch import capabilities, options, seccomp
    from pyrt.launch.container import NAMESPACES

    return {
        "ociVersionMin": "1.0.0",
        "ociVersionMax": VERSION_OF_SPEC,
        "hooks": ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"],
        "mountOptions": options.known(),
        "linux": {
            "namespaces": sorted(NAMESPACES),
            "capabilities": list(capabilities.NAMES),
            "cgroup": {"v1": True, "v2": True, "systemd": False, "systemdUser": False, "rdma": True},
            "seccomp": {
                "enabled": True,
                "actions": sorted(seccomp.known_actions()),
                "operators": sorted(seccomp.known_operators()),
                "archs": sorted(seccomp.known_architectures()),
                "knownFlags": sorted(seccomp.known_flags()),
                "supportedFlags": sorted(seccomp.known_flags()),
            },
            "apparmor": {"enabled": True},
            "selinux": {"enabled": True},
            "intelRdt": {"enabled": False},
            "mountExtensions": {"idmap": {"enabled": False}},
            "netDevices": {"enabled": False},
        },
        "annotations": {"io.github.pyrt.version": __version__},
        "potentiallyUnsafeConfigAnnotations": list(_UNSAFE),
    }
