"""A kernel (or a container manager around the daemon) that lacks a system call: named in words, and nothing half-made.

The daemon runs under a seccomp filter that answers ENOSYS, which its pod processes inherit.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys

import pytest

from rootfs.registry import free_port
from tests.integration.daemon.conftest import ApiFailure, finish

from .conftest import prepared

WITHOUT = """
import errno, sys
import pyseccomp
kernel = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
kernel.set_attr(pyseccomp.Attr.CTL_NNP, 0)
for name in sys.argv[2:]:
    kernel.add_rule(pyseccomp.ERRNO(errno.ENOSYS), name)
kernel.load()
from pyrt.daemon import run
sys.exit(run(sys.argv[1], log_level="DEBUG"))
"""


@contextlib.contextmanager
def daemon_of(code, *words):
    """A daemon whose process begins with ``code``."""
    with prepared("kernel") as instance:
        with instance.log.open("ab") as log:
            command = [sys.executable, "-c", code, str(instance.file), *words]
            instance.process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ)
        try:
            instance.until(instance._ready)
            yield instance
        finally:
            finish(instance)


def load(instance, layout):
    instance.call("POST", f"/apis/pyrt.dev/v1/images/import?path={layout}")


@pytest.mark.parametrize(
    ("call", "named"),
    [
        ("fsopen", "overlay|/etc files"),
        ("open_tree", "mount|pyrt-pod"),
        ("move_mount", "mount"),
        ("mount_setattr", "mount|rslave|pyrt-pod"),
        ("openat2", ""),
        ("clone3", "clone3|process"),
        ("pivot_root", "pivot_root|root"),
    ],
)
def test_a_system_call_that_is_not_there(layout, pod, call, named):
    with daemon_of(WITHOUT, call) as instance:
        if call == "openat2":  # layers are not even unpacked without it
            with pytest.raises(ApiFailure, match="Function not implemented"):
                load(instance, layout)
            return
        load(instance, layout)
        mounts = {"volumeMounts": [{"name": "v", "mountPath": "/v", "readOnly": True}]}
        instance.create(pod("web", "true", container=mounts, volumes=[{"name": "v", "emptyDir": {}}]))
        message = instance.until(lambda: [e for e in instance.events("web") if e["type"] == "Warning"])[0]["message"]
        assert "Function not implemented" in message
        assert re.search(named, message), message


NO_LIBRARY = """
import sys
from pyrt.network import nftables
nftables._LIBRARY = "libnone.so"
from pyrt.daemon import run
sys.exit(run(sys.argv[1]))
"""


def test_a_machine_without_nftables(layout, pod):
    """Pods run, the daemon says what is missing, and a pod that needs it is told by name."""
    with daemon_of(NO_LIBRARY) as instance:
        load(instance, layout)
        assert "install the nftables package" in instance.log.read_text()
        instance.create(pod("plain", "true"))
        instance.phase("plain", "Succeeded")
        container = {"ports": [{"containerPort": 80, "hostPort": free_port()}]}
        instance.create(pod("published", "true", container=container))
        message = instance.event("published", "FailedCreatePodSandBox")
        print(message)
        assert "pod default/published" in message
        assert "nftables" in message
