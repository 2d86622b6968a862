"""A kernel (or a container manager around the daemon) that lacks a system call: named in words, and nothing half-made.

The daemon runs under a seccomp filter that answers ENOSYS, which its pod processes inherit.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.integration.daemon.conftest import ApiFailure, finish

from .conftest import forget_pods, prepared

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


def load(instance, layout):
    instance.call("POST", f"/apis/pyrt.dev/v1/images/import?path={layout}")


@pytest.mark.parametrize(
    ("call", "named"),
    [
        ("fsopen", "overlay|/etc files"),
        ("open_tree", "mount"),
        ("move_mount", "mount"),
        ("mount_setattr", "mount|rslave"),
        ("openat2", ""),
        ("clone3", "clone3|process"),
        ("pivot_root", "pivot_root|root"),
    ],
)
def test_a_system_call_that_is_not_there(layout, pod, call, named):
    with prepared("kernel") as instance:
        with instance.log.open("ab") as log:
            command = [sys.executable, "-c", WITHOUT, str(instance.file), call]
            instance.process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ)
        try:
            instance.until(instance._ready)
            if call == "openat2":  # layers are not even unpacked without it
                with pytest.raises(ApiFailure, match="Function not implemented"):
                    load(instance, layout)
                return
            load(instance, layout)
            mounts = {"volumeMounts": [{"name": "v", "mountPath": "/v", "readOnly": True}]}
            instance.create(pod("web", "true", container=mounts, volumes=[{"name": "v", "emptyDir": {}}]))
            message = instance.until(lambda: [e for e in instance.events("web") if e["type"] == "Warning"])[0][
                "message"
            ]
            assert "Function not implemented" in message
            assert re.search(named, message), message
            forget_pods(instance)
        finally:
            finish(instance)
