"""The two halves of the encoding agree, and everything has words."""

from __future__ import annotations

import errno
import importlib.util
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyrt import _native
from pyrt.launch import GivenFd, LaunchError, Plan, version
from pyrt.launch.encoding import HEADER
from pyrt.launch.operations import (
    OPERATIONS,
    ROOT,
    Birth,
    Exec,
    MakeDirectory,
    MountNew,
    Netlink,
    ProcWrite,
    Umask,
    User,
)

_SEEDS = Path(__file__).parents[3] / "native/fuzz/seeds.py"
_spec = importlib.util.spec_from_file_location("seeds", _SEEDS)
assert _spec is not None
assert _spec.loader is not None
seeds = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(seeds)


def test_python_and_c_have_the_same_operations():
    ours = {code: kind.SIGNATURE for code, kind in OPERATIONS.items()}
    assert ours == {code: signature for code, (_, signature) in _native.operation_table().items()}


@pytest.mark.parametrize("code", sorted(OPERATIONS))
def test_every_operation_encodes_decodes_and_describes_itself(code):
    operation = seeds.sample(OPERATIONS[code])
    assert _native.check_plan(Plan((operation,), (GivenFd(0),)).encode()) == 1
    assert operation.describe()


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=300)


@given(TEXT, st.lists(TEXT, min_size=1, max_size=20), st.lists(TEXT, max_size=20), st.binary(max_size=500))
@settings(max_examples=200, deadline=None)
def test_any_text_survives(path, arguments, environment, data):
    ops = (
        MakeDirectory(ROOT, path),
        ProcWrite(ROOT, path, data),
        Netlink(ROOT, data),
        MountNew(ROOT, path, path, tuple(environment), 0, ROOT, path),
        Exec(path or "x", tuple(arguments), tuple(environment)),
    )
    assert _native.check_plan(Plan(ops).encode()) == len(ops)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_damaged_plans_are_refused_or_well_formed(data):
    """Never a crash; the fuzzer (scripts/fuzz) looks for the same with sanitizers."""
    plan = bytearray(Plan(tuple(seeds.sample(kind) for kind in OPERATIONS.values()), (GivenFd(0),)).encode())
    for _ in range(data.draw(st.integers(1, 8))):
        plan[data.draw(st.integers(0, len(plan) - 1))] = data.draw(st.integers(0, 255))
    error = 0
    try:
        _native.check_plan(bytes(plan))
    except OSError as e:
        error = e.errno
    assert error in (0, errno.EBADMSG)


@pytest.mark.parametrize("length", [0, 1, 31, 32, 39])
def test_short_buffers_are_refused(length):
    whole = Plan((MakeDirectory(ROOT, "x"),)).encode()
    with pytest.raises(OSError, match="plan_decode at offset"):
        _native.check_plan(whole[:length])


def test_a_descriptor_outside_the_table_is_refused():
    with pytest.raises(OSError, match="plan_decode at offset 32"):
        _native.check_plan(Plan((MakeDirectory(3, "x"),), (GivenFd(0),)).encode())


def test_clone_flags_are_namespaces_only():
    plan = bytearray(Plan(()).encode())
    struct.pack_into("=Q", plan, 16, 0x100)  # CLONE_VM
    with pytest.raises(OSError, match="offset 8"):
        _native.check_plan(bytes(plan))
    assert HEADER.size == 32


@pytest.mark.parametrize(
    "op",
    [MakeDirectory(ROOT, "a\0b"), Exec("sh", ("sh", "a\0b"), ()), Exec("sh", ("sh",), ("A=\0",))],
    ids=lambda op: type(op).__name__,
)
def test_nul_bytes_are_refused(op):
    with pytest.raises(LaunchError, match="NUL"):
        op.encode()


def test_names_that_are_not_utf_8_survive():
    assert b"\xff" in MakeDirectory(ROOT, "\udcff").encode()


def test_groups_are_words():
    assert User(1, 2, (3, 4)).arguments() == (1, 2, struct.pack("=II", 3, 4))


def test_a_plan_that_is_too_large():
    with pytest.raises(LaunchError, match="larger than"):
        Plan((Exec("x", ("y" * (1 << 20),), ()),)).encode()


def test_failures_in_words():
    plan = Plan((MountNew(ROOT, "tmpfs", "tmpfs", ("size=1m",), 0, ROOT, "/cache"), Exec("app", ("app",), ())))
    assert str(plan.failure(0, errno.EPERM)) == "mount tmpfs on /cache (size=1m): Operation not permitted"
    assert str(plan.failure(1, errno.ENOENT)) == 'exec "app": executable file not found in $PATH'
    assert plan.failure(1, errno.ENOENT).exit_code == 127
    assert plan.failure(1, errno.EACCES).exit_code == 126
    assert str(plan.failure(2, errno.EAGAIN)) == "clone3: Resource temporarily unavailable"


def test_the_version_is_that_of_the_youngest_operation():
    assert max(kind.SINCE for kind in OPERATIONS.values()) == version.VERSION == _native.PLAN_VERSION


def test_what_an_earlier_player_does_not_know():
    plan = Plan((Umask(0), Birth(0), Umask(0))).encode()
    assert version.younger_than(1, plan) is Birth
    assert version.younger_than(version.VERSION, plan) is None
    assert version.younger_than(1, Plan((Umask(0),)).encode()) is None
