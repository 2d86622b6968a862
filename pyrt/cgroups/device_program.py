"""Device rules on cgroup v2: a BPF_PROG_TYPE_CGROUP_DEVICE program, assembled here and attached to the cgroup.

The program gets ``struct bpf_cgroup_dev_ctx`` {u32 access_type; u32 major; u32 minor} (linux/bpf.h), where
``access_type`` holds the access (mknod 1, read 2, write 4) in its upper half and the type (block 1, char 2) in its
lower; it returns 1 to allow. Rules are tried last to first, as the last one that matches decides in v1's order of
writes.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Sequence

from pyrt import _native
from pyrt.cgroups.errors import CgroupError
from pyrt.spec import LinuxDeviceCgroup

_TYPES = {"b": 1, "c": 2}
_ACCESS = {"m": 1, "r": 2, "w": 4}
_ALL = 7
_KEPT = 64
"""Programs; a rule set is one more only where somebody asks for devices of his own."""

# Opcodes (bpf.h): class | source | operation.
_LDX_W = 0x61  # BPF_LDX | BPF_MEM | BPF_W
_AND_K = 0x54  # BPF_ALU (32 bit) | BPF_AND | BPF_K
_RSH_K = 0x74  # BPF_ALU | BPF_RSH | BPF_K
_MOV_X = 0xBC  # BPF_ALU | BPF_MOV | BPF_X
_MOV_K = 0xB4  # BPF_ALU | BPF_MOV | BPF_K
_JNE_K = 0x56  # BPF_JMP32 | BPF_JNE | BPF_K
_JEQ_K = 0x16  # BPF_JMP32 | BPF_JEQ | BPF_K
_EXIT = 0x95

_R0, _CTX, _TYPE, _WANTED, _MAJOR, _MINOR, _SCRATCH = 0, 1, 2, 3, 4, 5, 6


def _insn(op: int, dst: int = 0, src: int = 0, off: int = 0, imm: int = 0) -> bytes:
    return struct.pack("<BBhi", op, dst | src << 4, off, imm)


def assemble(rules: Sequence[LinuxDeviceCgroup]) -> bytes:
    """The program for ``rules``; without a rule that matches, access is allowed (a new cgroup allows all)."""
    code = [
        _insn(_LDX_W, _TYPE, _CTX, 0),
        _insn(_AND_K, _TYPE, imm=0xFFFF),
        _insn(_LDX_W, _WANTED, _CTX, 0),
        _insn(_RSH_K, _WANTED, imm=16),
        _insn(_LDX_W, _MAJOR, _CTX, 4),
        _insn(_LDX_W, _MINOR, _CTX, 8),
    ]
    for rule in reversed(_merge(rules)):
        block, terminal = _rule(rule)
        code.extend(block)
        if terminal:
            return b"".join(code)
    code += [_insn(_MOV_K, _R0, imm=1), _insn(_EXIT)]
    return b"".join(code)


def _rule(rule: LinuxDeviceCgroup) -> tuple[list[bytes], bool]:
    """The instructions of one rule, and whether it matches everything (what would follow is dead: the verifier
    refuses it).
    """
    tests: list[tuple[int, int, int]] = []  # (opcode, register, value) that jump over the verdict
    block: list[bytes] = []
    kind = rule.type or "a"
    if kind != "a":
        tests.append((_JNE_K, _TYPE, _TYPES["c" if kind == "u" else kind]))
    access = _access(rule)
    prepare: list[bytes] = []
    if access != _ALL:
        # An allow rule must cover all that is wanted; a deny rule matches when it forbids any part of it.
        mask = _ALL & ~access if rule.allow else access
        prepare = [_insn(_MOV_X, _SCRATCH, _WANTED), _insn(_AND_K, _SCRATCH, imm=mask)]
        tests.append((_JNE_K if rule.allow else _JEQ_K, _SCRATCH, 0))
    if rule.major is not None and rule.major >= 0:
        tests.append((_JNE_K, _MAJOR, rule.major))
    if rule.minor is not None and rule.minor >= 0:
        tests.append((_JNE_K, _MINOR, rule.minor))
    verdict = [_insn(_MOV_K, _R0, imm=int(rule.allow)), _insn(_EXIT)]
    block.extend(prepare)
    for index, (op, register, value) in enumerate(tests):
        over = len(tests) - 1 - index + len(verdict)
        block.append(_insn(op, register, off=over, imm=value))
    return block + verdict, not tests


def _access(rule: LinuxDeviceCgroup) -> int:
    return sum(_ACCESS[letter] for letter in set(rule.access or "rwm"))


def _merge(rules: Iterable[LinuxDeviceCgroup]) -> list[LinuxDeviceCgroup]:
    """Neighbouring allow rules for one device become one, so that ``r`` and ``w`` given apart allow opening for
    both.
    """
    merged: list[LinuxDeviceCgroup] = []
    run = 0  # where the present run of allow (or deny) rules begins
    for rule in rules:
        if merged and merged[-1].allow != rule.allow:
            run = len(merged)
        for index in range(run, len(merged)):
            earlier = merged[index]
            if (earlier.type or "a", earlier.major, earlier.minor) == (rule.type or "a", rule.major, rule.minor):
                access = "".join(letter for letter in "rwm" if (_access(earlier) | _access(rule)) & _ACCESS[letter])
                merged[index] = LinuxDeviceCgroup(
                    allow=rule.allow, type=rule.type, major=rule.major, minor=rule.minor, access=access
                )
                break
        else:
            merged.append(rule)
    return merged


class DevicePrograms:
    """Loaded programs, kept by their rules: nearly every container has the same."""

    def __init__(self) -> None:
        self._loaded: dict[tuple[LinuxDeviceCgroup, ...], int] = {}

    def supported(self) -> bool:
        """Whether this kernel can filter devices on cgroup v2 (CONFIG_CGROUP_BPF, CAP_BPF or CAP_SYS_ADMIN)."""
        try:
            os.close(_native.bpf_load_device(assemble(())))
        except OSError:
            return False
        return True

    def attach(self, directory: str, rules: tuple[LinuxDeviceCgroup, ...]) -> None:
        """Make ``rules`` hold for the cgroup ``directory`` and all below; they go with it. Raises
        :class:`CgroupError`.
        """
        try:
            program = self._loaded.get(rules)
            if program is None:
                if len(self._loaded) >= _KEPT:
                    self.close()
                program = self._loaded[rules] = _native.bpf_load_device(assemble(rules))
            fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                _native.bpf_attach_device(fd, program)
            finally:
                os.close(fd)
        except OSError as error:
            raise CgroupError(operation=f"attach device program to {directory}", errno=error.errno) from error

    def close(self) -> None:
        """Let go of the programs; those that are attached stay in force."""
        for program in self._loaded.values():
            os.close(program)
        self._loaded.clear()
