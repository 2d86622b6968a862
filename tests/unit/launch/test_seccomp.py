from __future__ import annotations

import json
import struct

import pytest

from pyrt import spec
from pyrt.launch import LaunchError, seccomp
from pyrt.launch.seccomp_default import runtime_default

ALLOW, ERRNO, KILL = 0x7FFF0000, 0x00050000, 0
X86_64, I386 = 0xC000003E, 0x40000003


def run(program: bytes, number: int, *args: int, arch: int = X86_64) -> int:
    """A classic BPF machine, as far as seccomp uses it."""
    data = struct.pack("=IIQ6Q", number, arch, 0, *args, *[0] * (6 - len(args)))
    code = [struct.unpack_from("=HBBI", program, i) for i in range(0, len(program), 8)]
    a = x = at = 0
    memory = [0] * 16
    while True:
        op, jt, jf, k = code[at]
        at += 1
        if op == 0x20:
            a = struct.unpack_from("=I", data, k)[0]
        elif op == 0x06:
            return k
        elif op == 0x05:
            at += k
        elif op & 7 == 5:
            test = {0x10: a == k, 0x20: a > k, 0x30: a >= k, 0x40: bool(a & k)}[op & 0x70]
            at += jt if test else jf
        elif op == 0x54:
            a &= k
        elif op == 0x02:
            memory[k] = a
        elif op == 0x60:
            a = memory[k]
        else:
            raise AssertionError(f"instruction {op:#x} {x}")


@pytest.fixture(scope="module")
def default():
    return seccomp.compile_filter(runtime_default((), "x86_64")).instructions


@pytest.mark.parametrize(
    ("number", "args", "answer"),
    [
        (0, (), ALLOW),  # read
        (165, (), ERRNO | 1),  # mount
        (272, (), ERRNO | 1),  # unshare
        (56, (0x11,), ALLOW),  # clone as fork does
        (56, (0x10000000,), ERRNO | 1),  # clone of a user namespace
        (435, (), ERRNO | 38),  # clone3
        (41, (1,), ALLOW),  # socket AF_UNIX
        (41, (40,), ERRNO | 1),  # socket AF_VSOCK
        (135, (0,), ALLOW),  # personality
        (135, (0xFFFFFFFF,), ALLOW),
        (135, (0x40000,), ERRNO | 1),  # without address randomisation
        (425, (), ERRNO | 1),  # io_uring_setup
        (452, (), ALLOW),  # fchmodat2
        (451, (), ALLOW),  # cachestat
    ],
)
def test_default_profile(default, number, args, answer):
    assert run(default, number, *args) == answer


def test_calls_newer_than_the_library_do_not_exist(default):
    """ENOSYS makes C libraries fall back; EPERM would make them fail."""
    answer = run(default, 600)
    assert answer in (ERRNO | 38, ERRNO | 1)
    if any(not seccomp._known(__import__("pyseccomp"), name) for name in seccomp._RECENT):
        assert answer == ERRNO | 38


def test_other_architectures(default):
    assert run(default, 3, arch=I386) == ALLOW  # read
    assert run(default, 21, arch=I386) == ERRNO | 1  # mount
    assert run(default, 0, arch=0x1234) not in (ALLOW,)


def test_x32_is_not_a_way_around(default):
    assert run(default, 0x40000000 | 165) == KILL
    assert run(default, 0x40000000) == KILL


def test_capabilities_open_calls():
    with_admin = seccomp.compile_filter(runtime_default(("CAP_SYS_ADMIN",), "x86_64")).instructions
    assert run(with_admin, 165) == ALLOW
    assert run(with_admin, 435) == ALLOW
    assert run(with_admin, 56, 0x10000000) == ALLOW
    with_chroot = seccomp.compile_filter(runtime_default(("CAP_SYS_CHROOT",), "x86_64")).instructions
    assert run(with_chroot, 161) == ALLOW
    assert run(with_chroot, 165) == ERRNO | 1


def test_the_same_profile_is_compiled_once(default):
    profile = runtime_default((), "x86_64")
    assert runtime_default((), "x86_64") is profile
    assert seccomp.compile_filter(profile) is seccomp.compile_filter(profile)
    assert seccomp.compile_filter(profile).instructions is default


def test_a_denying_profile():
    rule = spec.LinuxSyscall(names=("mkdir", "no_such_call"), action="SCMP_ACT_ERRNO", errno_ret=95)
    program = seccomp.compile_filter(spec.LinuxSeccomp(default_action="SCMP_ACT_ALLOW", syscalls=(rule,))).instructions
    assert run(program, 83) == ERRNO | 95
    assert run(program, 0) == ALLOW
    assert run(program, 600) == ALLOW


def test_several_conditions_on_one_argument_are_alternatives():
    args = tuple(spec.LinuxSeccompArg(index=0, value=v, op="SCMP_CMP_EQ") for v in (1, 2))
    rule = spec.LinuxSyscall(names=("personality",), action="SCMP_ACT_KILL", args=args)
    program = seccomp.compile_filter(spec.LinuxSeccomp(default_action="SCMP_ACT_ALLOW", syscalls=(rule,))).instructions
    assert [run(program, 135, v) for v in (1, 2, 3)] == [KILL, KILL, ALLOW]


@pytest.mark.parametrize(
    "profile",
    [
        spec.LinuxSeccomp(default_action="SCMP_ACT_MAYBE"),
        spec.LinuxSeccomp(default_action="SCMP_ACT_ALLOW", architectures=("SCMP_ARCH_PDP11",)),
        spec.LinuxSeccomp(default_action="SCMP_ACT_ALLOW", flags=("SECCOMP_FILTER_FLAG_MAYBE",)),
        spec.LinuxSeccomp(default_action="SCMP_ACT_ALLOW", listener_path="/run/x"),
    ],
)
def test_profiles_that_are_refused(profile):
    with pytest.raises(LaunchError, match=r"linux\.seccomp"):
        seccomp.compile_filter(profile)


def test_profile_from_a_file(tmp_path):
    path = tmp_path / "profile.json"
    rules = [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}]
    path.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}))
    assert seccomp.load_profile(str(path)).syscalls[0].names == ("mkdir",)
    path.write_text("{")
    with pytest.raises(LaunchError):
        seccomp.load_profile(str(path))
    with pytest.raises(LaunchError, match="No such file"):
        seccomp.load_profile(str(tmp_path / "none"))
