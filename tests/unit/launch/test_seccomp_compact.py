"""A filter in fewer instructions answers every call as the one it was made of."""

from __future__ import annotations

import random
import struct

import pytest

from pyrt.launch import capabilities, seccomp, seccomp_compact
from pyrt.launch.seccomp_compact import answer, compact
from pyrt.launch.seccomp_default import runtime_default
from pyrt.spec import LinuxSeccomp, LinuxSeccompArg, LinuxSyscall

ARCHITECTURES = (0xC000003E, 0x40000003, 0xC00000B7, 0, 5)
X32 = 0x40000000
ALL = 0xFFFFFFFF


def both(profile: LinuxSeccomp, monkeypatch: pytest.MonkeyPatch) -> tuple[bytes, bytes]:
    """libseccomp's program, and the shorter one."""
    with monkeypatch.context() as without:
        without.setattr(seccomp, "compact", lambda program: program)
        whole = seccomp._build(profile).instructions
    return whole, compact(whole)


def assert_same_answers(whole: bytes, shorter: bytes) -> None:
    constants = [k for _, _, _, k in struct.iter_unpack("=HBBI", whole)]
    near = sorted({(k + d) & ALL for k in constants for d in (-1, 0, 1)} | {0, 500, X32, X32 + 520, ALL})
    chance = random.Random(1)
    for architecture in ARCHITECTURES:
        for number in near:
            for _ in range(3):
                words = {at: chance.choice((0, 1, ALL, *constants[:40])) for at in range(16, 64, 4)}
                words |= {0: number, 4: architecture}
                assert answer(whole, words) == answer(shorter, words), words


def profile(*rules: LinuxSyscall, default: str = "SCMP_ACT_ERRNO") -> LinuxSeccomp:
    return LinuxSeccomp(default_action=default, syscalls=rules)


def condition(op: str, value: int, two: int = 0, index: int = 0) -> LinuxSeccompArg:
    return LinuxSeccompArg(index=index, value=value, value_two=two, op=f"SCMP_CMP_{op}")


@pytest.mark.parametrize("names", [(), ("SYS_ADMIN",), ("ALL",)])
def test_runtime_default(names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    whole, shorter = both(runtime_default(tuple(capabilities.adjusted(names, ()))), monkeypatch)
    assert len(shorter) * 3 < len(whole)
    assert_same_answers(whole, shorter)


@pytest.mark.parametrize(
    "rules",
    [
        (LinuxSyscall(names=("read", "write", "exit"), action="SCMP_ACT_ALLOW"),),
        (LinuxSyscall(names=("socket",), action="SCMP_ACT_ALLOW", args=(condition("EQ", 1 << 40 | 7),)),),
        (LinuxSyscall(names=("clone",), action="SCMP_ACT_ALLOW", args=(condition("MASKED_EQ", 0x7E020000, 0),)),),
        (
            LinuxSyscall(
                names=("ioctl",), action="SCMP_ACT_ALLOW", args=(condition("GE", 5), condition("LT", 9, index=1))
            ),
            LinuxSyscall(names=("ioctl",), action="SCMP_ACT_LOG", args=(condition("NE", 3, index=2),)),
        ),
        tuple(
            LinuxSyscall(names=("ioctl",), action="SCMP_ACT_ALLOW", args=(condition("EQ", number * 3),))
            for number in range(150)  # further than a conditional jump reaches
        ),
    ],
)
@pytest.mark.parametrize("default", ["SCMP_ACT_ERRNO", "SCMP_ACT_KILL_PROCESS"])
def test_profiles(rules: tuple[LinuxSyscall, ...], default: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_same_answers(*both(profile(*rules, default=default), monkeypatch))


def test_a_list_of_what_is_denied(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = LinuxSyscall(names=("ptrace", "mount", "clone3"), action="SCMP_ACT_ERRNO", errno_ret=38)
    assert_same_answers(*both(profile(rule, default="SCMP_ACT_ALLOW"), monkeypatch))


@pytest.mark.parametrize(
    "program",
    [
        struct.pack("=HBBI", 0x04, 0, 0, 1),  # an addition
        struct.pack("=HBBI", 0x15, 0, 0, 1),  # compares what nobody has loaded
        struct.pack("=HBBI", 0x20, 0, 0, 0),  # comes to no end
        struct.pack("=HBBI", 0x20, 0, 0, 0) + struct.pack("=HBBI", 0x45, 0, 0, 2) + struct.pack("=HBBI", 0x06, 0, 0, 0),
        b"",
    ],
)
def test_what_is_not_understood_stays_as_it_is(program: bytes) -> None:
    assert compact(program) == program


def test_a_program_that_would_take_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = both(runtime_default(()), monkeypatch)
    monkeypatch.setattr(seccomp_compact, "_MAX_STEPS", 1000)
    assert compact(whole) == whole
