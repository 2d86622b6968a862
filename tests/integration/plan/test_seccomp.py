"""The default filter in force."""

from __future__ import annotations

import pytest

from pyrt import spec
from pyrt.launch.seccomp_default import runtime_default

pytestmark = pytest.mark.core


def test_mount_is_not_permitted(box):
    names = ("CAP_SYS_ADMIN",)
    box.process(capabilities=spec.LinuxCapabilities(bounding=names, effective=names, permitted=names))
    box.linux(seccomp=runtime_default(()))
    assert "permission denied" in box.sh("mount -t tmpfs tmpfs /tmp 2>&1").output


def test_mount_is_permitted_with_its_capability(box):
    names = ("CAP_SYS_ADMIN",)
    box.process(capabilities=spec.LinuxCapabilities(bounding=names, effective=names, permitted=names))
    box.linux(seccomp=runtime_default(names))
    assert box.sh("mount -t tmpfs tmpfs /tmp && echo mounted").output == "mounted\n"


def test_unshare_is_not_permitted(box):
    assert "Operation not permitted" in box.sh("unshare -U true 2>&1 || busybox unshare -U true 2>&1").output


@pytest.mark.parametrize("no_new_privs", [True, False])
def test_a_filter_that_allows_almost_nothing_still_starts_the_program(box, no_new_privs):
    """What the player itself needs after loading it is capset and execve."""
    allowed = """execve capset brk mmap munmap arch_prctl set_tid_address set_robust_list rseq prlimit64 readlink
        getrandom mprotect write writev exit exit_group getuid ioctl fcntl getpid"""
    rule = spec.LinuxSyscall(names=tuple(allowed.split()), action="SCMP_ACT_ALLOW")
    profile = spec.LinuxSeccomp(default_action="SCMP_ACT_ERRNO", syscalls=(rule,))
    box.process(no_new_privileges=no_new_privs)
    box.linux(seccomp=profile)
    assert box.run("echo", "hello").output == "hello\n"


def test_a_deny_list(box):
    rule = spec.LinuxSyscall(names=("chmod", "fchmod", "fchmodat"), action="SCMP_ACT_ERRNO", errno_ret=28)
    box.linux(seccomp=spec.LinuxSeccomp(default_action="SCMP_ACT_ALLOW", syscalls=(rule,)))
    assert "No space left on device" in box.sh("chmod 700 /tmp").output


def test_arguments_are_compared(box):
    args = (spec.LinuxSeccompArg(index=1, value=0o700, op="SCMP_CMP_EQ"),)
    rule = spec.LinuxSyscall(names=("chmod",), action="SCMP_ACT_ERRNO", args=args)
    box.linux(seccomp=spec.LinuxSeccomp(default_action="SCMP_ACT_ALLOW", syscalls=(rule,)))
    assert box.sh("chmod 755 /tmp && echo ok; chmod 700 /tmp").output.startswith(
        "ok\nchmod: /tmp: Operation not permitted"
    )
