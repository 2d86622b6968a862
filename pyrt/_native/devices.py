"""BPF programs that decide about a cgroup's access to devices (cgroup v2; bpf(2))."""

from __future__ import annotations

from pyrt._native._cffi import lib
from pyrt._native.failure import fail

_INSTRUCTION_BYTES = 8


def bpf_load_device(instructions: bytes) -> int:
    """Have the kernel check and load a BPF_PROG_TYPE_CGROUP_DEVICE program; its descriptor (close-on-exec, as all of
    BPF's).

    ENOSYS or EINVAL: the kernel has no CONFIG_CGROUP_BPF; EACCES: the verifier refuses the program.
    """
    fd = lib.pyrt_bpf_load_device(instructions, len(instructions) // _INSTRUCTION_BYTES)
    if fd < 0:
        fail("bpf_prog_load")
    return int(fd)


def bpf_attach_device(cgroup_fd: int, program_fd: int) -> None:
    """Attach a loaded program to a cgroup v2 directory, beside others; it stays until the cgroup is gone."""
    if lib.pyrt_bpf_attach_device(cgroup_fd, program_fd):
        fail("bpf_prog_attach")
