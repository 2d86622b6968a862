"""The BPF program that stands for device rules on v2, run here by an interpreter of the few instructions it uses."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyrt.cgroups.device_program import assemble
from pyrt.spec import LinuxDeviceCgroup

TYPES = {"b": 1, "c": 2}
BITS = {"m": 1, "r": 2, "w": 4}


def run(program: bytes, kind: str, access: str, major: int, minor: int) -> bool:
    """What the kernel would do; fails on anything it would not accept."""
    wanted = sum(BITS[letter] for letter in access)
    context = {0: wanted << 16 | TYPES[kind], 4: major, 8: minor}
    code = [struct.unpack_from("<BBhi", program, at) for at in range(0, len(program), 8)]
    registers = dict.fromkeys(range(11), 0)
    at = 0
    while True:
        op, places, offset, value = code[at]
        dst, src = places & 15, places >> 4
        at += 1
        if op == 0x61:
            registers[dst] = context[offset]
        elif op == 0x54:
            registers[dst] &= value
        elif op == 0x74:
            registers[dst] >>= value
        elif op == 0xBC:
            registers[dst] = registers[src]
        elif op == 0xB4:
            registers[dst] = value
        elif op == 0x56:
            at += offset if registers[dst] != value else 0
        elif op == 0x16:
            at += offset if registers[dst] == value else 0
        elif op == 0x95:
            return bool(registers[0])
        else:
            raise AssertionError(f"opcode {op:#x}")


def rule(
    allow: bool, kind: str = "a", major: int | None = None, minor: int | None = None, access: str = "rwm"
) -> LinuxDeviceCgroup:
    return LinuxDeviceCgroup(allow=allow, type=kind, major=major, minor=minor, access=access)


DENY_ALL = rule(False)


@pytest.mark.parametrize(
    ("rules", "request_", "allowed"),
    [
        ((), ("c", "rwm", 1, 1), True),
        ((DENY_ALL,), ("c", "r", 1, 3), False),
        ((DENY_ALL, rule(True, "c", 1, 3)), ("c", "rw", 1, 3), True),
        ((DENY_ALL, rule(True, "c", 1, 3)), ("b", "rw", 1, 3), False),
        ((DENY_ALL, rule(True, "c", 1, 3)), ("c", "r", 1, 1), False),
        ((DENY_ALL, rule(True, "c", 136)), ("c", "rw", 136, 42), True),
        ((DENY_ALL, rule(True, "c", access="m")), ("c", "m", 1, 1), True),
        ((DENY_ALL, rule(True, "c", access="m")), ("c", "rm", 1, 1), False),
        ((DENY_ALL, rule(True, "c", 1, 3, "r"), rule(True, "c", 1, 3, "w")), ("c", "rw", 1, 3), True),
        ((rule(False, "c", 1, 1, "w"),), ("c", "r", 1, 1), True),
        ((rule(False, "c", 1, 1, "w"),), ("c", "rw", 1, 1), False),
        ((DENY_ALL, rule(True, "c", 1, 3), rule(False, "c", 1, 3, "w")), ("c", "r", 1, 3), True),
        ((DENY_ALL, rule(True, "c", 1, 3), rule(False, "c", 1, 3, "w")), ("c", "w", 1, 3), False),
        ((rule(True),), ("b", "rwm", 8, 0), True),
    ],
)
def test_verdicts(rules: tuple[LinuxDeviceCgroup, ...], request_: tuple[str, str, int, int], allowed: bool) -> None:
    assert run(assemble(rules), *request_) is allowed


rules = st.builds(
    rule,
    st.booleans(),
    st.sampled_from("abc"),
    st.none() | st.integers(0, 2),
    st.none() | st.integers(0, 2),
    st.sampled_from(["r", "w", "m", "rw", "rwm"]),
)


@given(st.lists(rules, max_size=6), st.sampled_from("bc"), st.sampled_from("rwm"), st.integers(0, 2), st.integers(0, 2))
def test_the_last_rule_that_matches_decides(
    given_rules: list[LinuxDeviceCgroup], kind: str, access: str, major: int, minor: int
) -> None:
    expected = True
    for each in given_rules:
        if (
            each.type in ("a", kind)
            and each.major in (None, major)
            and each.minor in (None, minor)
            and access in each.access
        ):
            expected = each.allow
    assert run(assemble(given_rules), kind, access, major, minor) is expected


def test_nothing_follows_a_verdict_that_always_holds() -> None:
    """The verifier refuses unreachable instructions."""
    assert assemble((rule(True, "c", 1, 3), DENY_ALL)) == assemble((DENY_ALL,))
